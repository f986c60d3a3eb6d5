#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Measures WRITE, READ and SEND, three ways, in one virtual machine:
#
#   stock-host  the distribution's rdma_rxe, host memory: 1.00
#   host        the extended rdma_rxe, host memory
#   vram        the extended rdma_rxe, both sides in video memory
#
# The three take turns, several rounds; what counts is the median over the
# rounds of the ratio to stock-host in the same round. "./run bench" is this
# program.
#
# usage: bench.sh [--icount] [--rounds N] [--repeats N] [--divide N] [--keep DIR]
#   --icount   the machine counts instructions, on one processor: numbers that
#              repeat
#   --rounds   default 9
#   --repeats  of each measurement within a round, default 1
#   --divide   do only a part of the operations, e.g. 10 for a quick look
#   --keep     where bench.json and the machine's files go
#              (default: results/bench in the build folder)
#
# A number never fails the run.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
build=${PEERMEM_BUILD:-$project/build}
icount='' rounds=9 repeats=1 divide=1 keep=$build/results/bench

while [ $# -gt 0 ]; do
	case $1 in
	--icount) icount=1 ;;
	--rounds|--repeats|--divide|--keep)
		[ $# -ge 2 ] || { echo "bench: $1 needs a value" >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift
		;;
	-h|--help) sed -n '/^# usage/,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "bench: unknown option $1; try --help" >&2; exit 2 ;;
	esac
	shift
done

rm -rf "$keep"
mkdir -p "$keep"
"$project/tests/vm/vm.sh" ${icount:+--icount --smp 1} --timeout 3600 \
	--keep "$keep" -- "$here/bench_guest.sh" \
	"$build/perf/verbs_bench" "$rounds" --repeats "$repeats" \
	--divide "$divide" ${icount:+--wait}
"$here/report.py" ${icount:+--icount} "$keep/out/raw" "$keep/bench.json"
