#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The guest's half of bench.sh: raw numbers go to $PEERMEM_OUT/raw, lines of JSON,
# a file for each group.
#
# usage: bench_guest.sh VERBS_BENCH ROUNDS DIVIDE GROUP...

set -euo pipefail

bench=$1 rounds=$2 divide=$3
shift 3
rxe=$(dirname "$0")/../tests/vm/rxe.sh
raw=$PEERMEM_OUT/raw
mkdir -p "$raw"

options=(--divide "$divide")
# With one processor a program that polls keeps Soft-RoCE from working.
[ "$(nproc)" -gt 1 ] || options+=(--wait)

# Soft-RoCE's workers: on all processors, or on all but the first, where
# verbs_bench polls.
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

# The module can be changed between two programs only.
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
