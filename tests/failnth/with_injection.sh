#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with the kernel's fault injection ready
# for /proc/<pid>/fail-nth: every allocation may fail, one that may sleep too.
#
# But for those that come now and then and would shift the numbers of the others,
# so that some are never the one that fails: kmemleak's, for which it has a
# reserve, and pages for slabs, for the object that needs one can fail itself.
#
# usage: with_injection.sh COMMAND...

set -eu

ranges=/run/peermem-failnth	# found once: it takes a while

if ! [ -d /sys/kernel/debug/failslab ] || ! [ -e /proc/self/fail-nth ]; then
	echo "1..0 # SKIP this kernel has no fault injection"
	exit 4
fi

# Prints where the functions are that make these, and those of ib_peer_mem and
# peer_vram, as shell variables.
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

# What may fail: folder, range of functions that do not make it fail.
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
# Copies from and to user space are no allocations, and no function is below 2.
if [ -d $faults/fail_usercopy ]; then
	echo 1 > $faults/fail_usercopy/require-start
	echo 2 > $faults/fail_usercopy/require-end
	echo 32 > $faults/fail_usercopy/stacktrace-depth
fi

# The kernel writes to the C library's restartable sequence when a task has lost
# the processor, and ends it by SIGSEGV if it cannot: after a fork(), for want of
# a page for the copy.
export GLIBC_TUNABLES=glibc.pthread.rseq=0
exec "$@"
