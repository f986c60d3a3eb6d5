#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Stress with everything at once, in the guest: traffic of all kinds, pages that
# move, workers that are killed, memory that is revoked under traffic, and
# memory shortage. It runs in rounds (stress.c); all modules are unloaded and
# loaded again between rounds. Every second round uses a control group with less
# memory than its workers need, and a limit of system memory below what BOs
# outside VRAM need.
#
# usage: stress.sh [--minutes N | --seconds N] [--moves N] [--seed N] [--round S]
#   --minutes, --seconds  duration (default: 10 seconds; 40 on a kernel with
#              debug checks)
#   --moves    minimum number of moved pages (default: 10000 or 1000)
#   --seed     seed of all random choices (default: 1)
#   --round    seconds of a round (default: half of the duration, at most 60)
#
# The last line but one is the result, in this form:
#   stress: N moves, N bytes compared, 0 wrong bytes, 0 leaks, 0 kernel warnings
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

here=$(cd "$(dirname "$0")" && pwd)
[ "$(wc -l < /proc/swaps)" -gt 1 ] ||
	exec "$here/../verbs/with_swap.sh" "$0" "$@"
# shellcheck source=../tap.sh
. "$here/../tap.sh"

program=$PEERMEM_BUILD/tests/stress/stress
rxe=$here/../../vm/guest/rxe.sh
cgroups=/sys/fs/cgroup
group=$cgroups/stress
limit_mb=40		# for four workers, which need 60 MiB and pin 4 MiB
ttm_limit=/sys/module/ttm/parameters/pages_limit
ttm_mb=2		# of the 4 to 8 that BOs need
kmemleak=/sys/kernel/debug/kmemleak
declare -A sum=()
before=0 warnings=0 leaks=0 reloads=0 rounds=0 failures=0

# settled_mb is the allowed growth of used memory, in MiB. KASAN keeps up to
# 1/32 of all memory after it was freed. There kmemleak is the better check.
case $(uname -r) in
*-peermem-*) seconds=40 moves=1000 settled_mb=160 slow=1 ;;
*) seconds=10 moves=10000 settled_mb=16 slow='' ;;
esac
seed=1 round=''
while [ $# -gt 0 ]; do
	[[ ${2-} =~ ^[1-9][0-9]*$ ]] || {
		echo "stress.sh: $1 needs a number" >&2
		exit 2
	}
	case $1 in
	--minutes) seconds=$(($2 * 60)) ;;
	--seconds) seconds=$2 ;;
	--moves) moves=$2 ;;
	--seed) seed=$2 ;;
	--round) round=$2 ;;
	*) echo "stress.sh: unknown option $1" >&2; exit 2 ;;
	esac
	shift 2
done
[ -n "$round" ] || round=$((seconds / 2 < 60 ? (seconds + 1) / 2 : 60))

# Clears the kernel log, so that it does not overflow. The host has a copy.
count_warnings()
{
	local lines

	lines=$(dmesg -c | "$here/../../vm/host/kernel_warnings.py") || return 0
	echo "# ${lines//$'\n'/$'\n'# }"
	warnings=$((warnings + $(wc -l <<< "$lines")))
}

unload_all()
{
	"$rxe" off && rmmod peer_vram && rmmod ib_peer_mem
}

# Nearly all VRAM can be pinned, so that the rest fills up soon.
load_all()
{
	modprobe -a ib_peer_mem && modprobe peer_vram pin_percent=97 &&
		"$rxe" extended > /dev/null
}

reload()
{
	if unload_all && load_all; then
		: $((++reloads))
	else
		: $((++failures))
		return 1
	fi
}

make_group()
{
	mountpoint -q "$cgroups" || mount -t cgroup2 cgroup2 "$cgroups" || return
	echo +memory > "$cgroups"/cgroup.subtree_control &&
		mkdir -p "$group" &&
		echo $((limit_mb << 20)) > "$group"/memory.max
}

event()
{
	awk -v name="$1" '$1 == name { print $2 }' "$2"
}

# Prints the used memory in MiB without caches. MemFree does not contain the
# free pages in per-CPU lists, tens of MiB.
used_mb()
{
	sync
	echo 3 > /proc/sys/vm/drop_caches
	awk '/^MemTotal:/ { used += $2 } /^MemFree:/ { used -= $2 }
		$1 == "count:" { used -= $2 * 4 }
		END { print int(used / 1024) }' /proc/meminfo /proc/zoneinfo
}

add_up()
{
	local pair

	for pair in $1; do
		sum[${pair%=*}]=$((${sum[${pair%=*}]-0} + ${pair#*=}))
	done
}

one_round()
{
	local line cgroup=() ttm_was

	read -r ttm_was < $ttm_limit
	if [ $((rounds % 2)) = 1 ]; then
		cgroup=("$group")
		echo $(((ttm_mb << 20) / $(getconf PAGESIZE))) > $ttm_limit
	fi
	if ! line=$("$program" "$1" "$2" $((seed + rounds)) "${cgroup[@]}"); then
		: $((++failures))
	fi
	echo "$ttm_was" > $ttm_limit
	: $((++rounds))
	echo "# $((SECONDS))s: $line"
	add_up "$line"
}

# Scans twice: only objects that did not change since the last scan are
# reported.
scan_for_leaks()
{
	local found

	[ -w "$kmemleak" ] || return 0
	echo scan > "$kmemleak"
	sleep 6
	echo scan > "$kmemleak"
	found=$(grep -c '^unreferenced object' "$kmemleak")
	[ "$found" = 0 ] || sed 's/^/# /' "$kmemleak"
	leaks=$((leaks + found))
}

at_least()
{
	if [ "$2" -ge "$3" ]; then
		tap_ok "$1"
	else
		tap_fail "$1" "$2, want at least $3"
	fi
}

tap_run "memory limit can be set" make_group
tap_run "modules can be reloaded" reload
dmesg -C
SECONDS=0
while [ $rounds -lt 2 ] || [ $SECONDS -lt "$seconds" ]; do
	one_round "$round" 1000000000
	[ $failures = 0 ] || break
	reload || break
	count_warnings
	[ $rounds -gt 1 ] || before=$(used_mb)
done
after=$(used_mb)
unload_all
scan_for_leaks
load_all
count_warnings
leaks=$((leaks + ${sum[leaks]-0}))

tap_is "failed rounds and reloads" "$failures" 0
at_least "pages moved" "${sum[moves]-0}" "$moves"
at_least "bytes were compared" "${sum[compared]-0}" 1
tap_is "wrong bytes" "${sum[wrong]-0}" 0
at_least "workers were killed" "${sum[kills]-0}" 1
at_least "memory was revoked under traffic" "${sum[refused]-0}" 1
at_least "modules in use could not be unloaded" "${sum[unloads]-0}" 1
at_least "modules were reloaded" "$reloads" 2
full=$(event max "$group"/memory.events)
if [ -n "$slow" ] && [ "${full:-0}" = 0 ]; then
	tap_skip "memory limit was reached" "too slow to use that much memory"
else
	at_least "memory limit was reached" "${full:-0}" 1
fi
at_least "buffer objects were swapped out" "${sum[swapouts]-0}" 1
tap_is "leaks" "$leaks" 0
tap_is "kernel warnings" "$warnings" 0
if [ $((after - before)) -le $settled_mb ]; then
	tap_ok "memory in use is as before"
else
	tap_fail "memory in use is as before" "$before MiB, then $after MiB"
fi
echo "stress: ${sum[moves]-0} moves, ${sum[compared]-0} bytes compared," \
	"${sum[wrong]-0} wrong bytes, $leaks leaks, $warnings kernel warnings"
echo "stress: $SECONDS s, $rounds rounds, seed $seed; ${sum[operations]-0}" \
	"operations, ${sum[vram_moves]-0} pages of VRAM and" \
	"${sum[host_moves]-0} of system memory moved, ${sum[evictions]-0} evictions," \
	"${sum[swapouts]-0} BOs swapped, ${sum[faults]-0} faults," \
	"${sum[invalidations]-0} invalidations, ${sum[kills]-0} kills," \
	"${sum[ooms]-0} OOM kills, ${sum[destroyed]-0} destroyed," \
	"${sum[revoked]-0} revoked, ${sum[unmapped]-0} unmapped," \
	"${sum[registered]-0} reregistered, $reloads reloads," \
	"${sum[unloads]-0} unloads refused," \
	"${full:-0} times at the limit, $(event pswpout /proc/vmstat) pages" \
	"swapped, memory $before to $after MiB"
tap_done
