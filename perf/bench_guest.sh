#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The guest's half of bench.sh: the rounds, raw numbers to $PEERMEM_OUT/raw, one
# file for each configuration and round.
#
# usage: bench_guest.sh VERBS_BENCH ROUNDS [OPTION-OF-VERBS_BENCH...]

set -euo pipefail

bench=$1 rounds=$2
shift 2
rxe=$(dirname "$0")/../tests/vm/rxe.sh
raw=$PEERMEM_OUT/raw
mkdir -p "$raw"

# measure NAME MODULE MEMORY OPTION...
measure()
{
	local name=$1 module=$2 memory=$3

	shift 3
	"$rxe" "$module" > /dev/null
	"$bench" --memory "$memory" "$@" > "$raw/$name.$round"
}

# verbs_bench polls on processor 0; Soft-RoCE's workers get the others.
others=$(((1 << $(nproc)) - 2))
[ $others = 0 ] ||
	printf %x $others > /sys/devices/virtual/workqueue/cpumask

for ((round = 1; round <= rounds; round++)); do
	echo "bench: round $round of $rounds" >&2
	measure stock-host stock host "$@"
	measure host extended host "$@"
	measure vram extended vram "$@"
done
