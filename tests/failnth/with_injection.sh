#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with the kernel's fault injection ready
# for /proc/<pid>/fail-nth: every allocation may fail, one that may sleep too.
#
# Not those that the debug kernel makes for itself: kmemleak makes one for each
# allocation of anybody, and copes, so every second failure would be for nothing.
#
# usage: with_injection.sh COMMAND...

set -eu

ranges=/run/peermem-failnth	# found once: it takes a while

if ! [ -d /sys/kernel/debug/failslab ] || ! [ -e /proc/self/fail-nth ]; then
	echo "1..0 # SKIP this kernel has no fault injection"
	exit 4
fi

# Prints "START END" of kmemleak's allocations and of ib_peer_mem's functions,
# as shell variables.
find_ranges()
{
	awk '
		$3 == "__alloc_object" && !$4 { kmemleak = $1; next }
		kmemleak && !kmemleak_end { kmemleak_end = $1 }
		$4 == "[ib_peer_mem]" && $2 ~ /[tT]/ {
			if (!core || $1 < core)
				core = $1
			if ($1 > core_end)
				core_end = $1
		}
		END {
			printf "KMEMLEAK_START=0x%s KMEMLEAK_END=0x%s\n",
				kmemleak, kmemleak_end
			printf "FAILNTH_CORE_START=0x%s FAILNTH_CORE_END=0x%s\n",
				core, core_end
		}
	' /proc/kallsyms
}

[ -e $ranges ] || find_ranges > $ranges
# shellcheck source=/dev/null
. $ranges
kmemleak=${KMEMLEAK_START:?} kmemleak_end=${KMEMLEAK_END:?}
export FAILNTH_CORE_START FAILNTH_CORE_END

for knobs in /sys/kernel/debug/{failslab,fail_page_alloc}; do
	echo N > "$knobs"/ignore-gfp-wait
	echo 0 > "$knobs"/verbose
	echo 32 > "$knobs"/stacktrace-depth
	echo "$kmemleak" > "$knobs"/reject-start
	echo "$kmemleak_end" > "$knobs"/reject-end
done
echo N > /sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
echo 0 > /sys/kernel/debug/fail_page_alloc/min-order
exec "$@"
