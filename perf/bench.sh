#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Measures in one virtual machine, in rounds in which what is compared takes
# turns; what counts is the median over the rounds of the ratio within a round.
# "./run bench" is this program; perf/README.md says what is measured and why so.
#
# usage: bench.sh [OPTION...] [GROUP...]
#   groups (default: all)
#     traffic     WRITE, READ, SEND: stock and extended module, host memory and
#                 video memory, pinned and on demand
#     qps         8 queue pairs on one MR
#     register    registration, by length
#     fault       a page that is not there, against a fault of the CPU
#     invalidate  by number of pages, and under many MRs
#     memory      of the kernel, for a page
#     staging     against a bounce buffer in host memory
#     files       of files into video memory, against the same
#   --quick     a look: one round, a tenth of the operations, smaller sizes
#   --icount    the machine counts instructions, on one processor: numbers that
#               repeat
#   --rounds N  default 5
#   --divide N  do only a part of the operations
#   --keep DIR  where bench.json and the machine's files go
#               (default: results/bench in the build folder)
#
# A number never fails the run.

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
	-*) echo "bench: unknown option $1; try --help" >&2; exit 2 ;;
	*)
		[[ " $all " = *" $1 "* ]] || {
			echo "bench: no group $1; there are: $all" >&2
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
	--keep "$keep" -- "$here/bench_guest.sh" \
	"$build/perf/verbs_bench" "$rounds" "$divide" "${groups[@]}"
"$here/report.py" ${icount:+--icount} "$keep/out/raw" "$keep/bench.json"
