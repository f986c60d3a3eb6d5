#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The part of bench.sh that runs in the guest. Writes the measured values as lines
# of JSON to $PEERMEM_OUT/raw, one file for each group.
#
# usage: bench_guest.sh VERBS_BENCH ROUNDS DIVIDE GROUP...

set -euo pipefail

bench=$1 rounds=$2 divide=$3
shift 3
rxe=$(dirname "$0")/../vm/guest/rxe.sh
raw=$PEERMEM_OUT/raw
mkdir -p "$raw"

options=(--divide "$divide")
# On one processor, a program that polls would block Soft-RoCE's workers.
[ "$(nproc)" -gt 1 ] || options+=(--wait)

# Puts Soft-RoCE's workers on all processors ("all"), or on all but the first, on
# which verbs_bench polls.
workers()
{
	local mask=$(((1 << $(nproc)) - 1))

	[ "$1" = all ] || [ "$mask" = 1 ] || mask=$((mask - 1))
	printf %x "$mask" > /sys/devices/virtual/workqueue/cpumask
}

# traffic CONFIG MODULE OPTION...
traffic()
{
	local config=$1 module=$2

	shift 2
	"$rxe" "$module" > /dev/null
	"$bench" traffic --config "$config" --round "$round" "${options[@]}" \
		"$@" >> "$raw/traffic"
}

# rdma_rxe can only be replaced while no program uses it.
all_traffic()
{
	for ((round = 1; round <= rounds; round++)); do
		echo "bench: traffic, round $round of $rounds" >&2
		traffic stock-host stock --memory host
		traffic host extended --memory host
		traffic host-odp extended --memory host --on-demand
		traffic vram extended --memory vram
		traffic vram-odp extended --memory vram --on-demand
	done
}

for group; do
	started=$SECONDS
	workers "$([ "$group" = qps ] && echo all || echo others)"
	if [ "$group" = traffic ]; then
		all_traffic
	else
		"$bench" "$group" --rounds "$rounds" "${options[@]}" \
			> "$raw/$group"
	fi
	echo "bench: $group took $((SECONDS - started)) s" >&2
done
