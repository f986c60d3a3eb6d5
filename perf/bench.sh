#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the benchmarks in one virtual machine, in rounds. Within a round, the
# configurations that are compared are measured alternately. The result is the
# median over the rounds of the ratio within a round. "./run bench" runs this
# program; perf/README.md says what is measured and why.
#
# usage: bench.sh [OPTION...] [GROUP...]
#   Groups (default: all):
#     traffic     WRITE, READ, SEND: stock and extended module, host memory and
#                 VRAM, pinned and on demand
#     qps         8 queue pairs on one MR
#     register    registration and deregistration, by length of the MR
#     fault       fault of an MR compared with a page fault of the CPU
#     invalidate  invalidation by number of pages, and with many other MRs
#     memory      kernel memory for each page, and for an untouched MR
#     staging     RDMA with VRAM compared with a bounce buffer in host memory
#     files       file I/O with VRAM compared with a bounce buffer
#   Options:
#     --quick     short run: one round, a tenth of the operations, smaller sizes
#     --icount    count instructions instead of time, on one processor: the values
#                 are repeatable
#     --rounds N  number of rounds (default 5)
#     --divide N  divide the number of operations by N (default 1)
#     --keep DIR  folder for bench.json and the files of the virtual machine
#                 (default: results/bench in the build folder)
#
# A missed target does not make the run fail.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
build=${PEERMEM_BUILD:-$project/build}
all='traffic qps register fault invalidate memory staging files'
icount='' rounds=5 divide=1 keep=$build/results/bench groups=()

while [ $# -gt 0 ]; do
	case $1 in
	--icount) icount=1 ;;
	--quick) rounds=1 divide=10 ;;
	--rounds|--divide|--keep)
		[ $# -ge 2 ] || { echo "bench: $1 needs a value" >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift
		;;
	-h|--help) sed -n '/^# usage/,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "bench: unknown option $1; see --help" >&2; exit 2 ;;
	*)
		[[ " $all " = *" $1 "* ]] || {
			echo "bench: unknown group '$1'; the groups are: $all" >&2
			exit 2
		}
		groups+=("$1")
		;;
	esac
	shift
done
[ ${#groups[@]} -gt 0 ] || read -ra groups <<< "$all"

rm -rf "$keep"
mkdir -p "$keep"
"$project/tests/vm/vm.sh" ${icount:+--icount --smp 1} --mem 4G --timeout 7200 \
	--results "$keep" -- "$here/bench_guest.sh" \
	"$build/perf/verbs_bench" "$rounds" "$divide" "${groups[@]}"
"$here/report.py" ${icount:+--icount} "$keep/out/raw" "$keep/bench.json"
