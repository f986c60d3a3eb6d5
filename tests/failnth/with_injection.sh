#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with fault injection enabled for
# /proc/<pid>/fail-nth. Every allocation may fail, also one that may sleep.
#
# Two kinds of allocations are excluded. They happen irregularly, shift the numbers of
# other allocations, and so would keep some of those from ever failing: those of kmemleak,
# which has a reserve, and pages for slabs. An allocation that needs a new slab page can
# fail itself.
#
# usage: with_injection.sh COMMAND...

set -eu

ranges=/run/peermem-failnth	# cached, because the search takes a while

if ! [ -d /sys/kernel/debug/failslab ] || ! [ -e /proc/self/fail-nth ]; then
	echo "1..0 # SKIP this kernel has no fault injection"
	exit 4
fi

# Prints the address ranges of the functions that make these allocations, and of
# ib_peer_mem and peer_vram, as shell variables.
find_ranges()
{
	awk '
		kmemleak && !kmemleak_end { kmemleak_end = $1 }
		slab && !slab_end { slab_end = $1 }
		$3 == "__alloc_object" && !$4 { kmemleak = $1 }
		$3 == "___slab_alloc" { slab = $1 }
		$2 ~ /[tT]/ && $4 {
			if (!start[$4] || $1 < start[$4])
				start[$4] = $1
			if ($1 > end[$4])
				end[$4] = $1
		}
		END {
			printf "KMEMLEAK_START=0x%s KMEMLEAK_END=0x%s\n",
				kmemleak, kmemleak_end
			printf "SLAB_START=0x%s SLAB_END=0x%s\n",
				slab, slab_end
			printf "FAILNTH_CORE_START=0x%s FAILNTH_CORE_END=0x%s\n",
				start["[ib_peer_mem]"], end["[ib_peer_mem]"]
			printf "FAILNTH_VRAM_START=0x%s FAILNTH_VRAM_END=0x%s\n",
				start["[peer_vram]"], end["[peer_vram]"]
		}
	' /proc/kallsyms
}

[ -e $ranges ] || find_ranges > $ranges
# shellcheck source=/dev/null
. $ranges
export FAILNTH_CORE_START FAILNTH_CORE_END FAILNTH_VRAM_START FAILNTH_VRAM_END

# Sets what may fail. Arguments: directory, and the range of functions below which
# allocations do not fail.
set_knobs()
{
	echo N > "$1/ignore-gfp-wait"
	echo 0 > "$1/verbose"
	echo 32 > "$1/stacktrace-depth"
	echo "$2" > "$1/reject-start"
	echo "$3" > "$1/reject-end"
}

faults=/sys/kernel/debug
set_knobs $faults/failslab "${KMEMLEAK_START:?}" "${KMEMLEAK_END:?}"
set_knobs $faults/fail_page_alloc "${SLAB_START:?}" "${SLAB_END:?}"
echo N > $faults/fail_page_alloc/ignore-gfp-highmem
echo 0 > $faults/fail_page_alloc/min-order
# Copies from and to user space must not fail: no function has an address below 2.
if [ -d $faults/fail_usercopy ]; then
	echo 1 > $faults/fail_usercopy/require-start
	echo 2 > $faults/fail_usercopy/require-end
	echo 32 > $faults/fail_usercopy/stacktrace-depth
fi

# The kernel writes to the restartable sequence area of the C library when a task is
# preempted, and kills the task by SIGSEGV if it cannot: after fork(), if it has no page
# for the copy.
export GLIBC_TUNABLES=glibc.pthread.rseq=0
exec "$@"
