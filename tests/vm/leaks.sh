# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the kernel lost, where it keeps book of that (kmemleak), and whether its own
# checks were at work until the end. Sourced by guest.sh.

# shellcheck source=unload.sh
. "$VM_PROJECT/tests/vm/unload.sh"

kmemleak=/sys/kernel/debug/kmemleak

# Its own thread would scan in the middle of a test, at its cost.
leaks_start()
{
	[ ! -w $kmemleak ] || echo scan=off > $kmemleak
}

# What only a loaded module still points to is a leak, too.
leaks_unload()
{
	[ ! -e /sys/class/infiniband/rxe0 ] ||
		timeout 60 rdma link delete rxe0 || return
	unload_with_users ib_peer_mem && unload_with_users peer_test_mem
}

# Twice: what was lost counts only if it did not change since the scan before, and
# if it was five seconds old by then.
leaks_scan()
{
	echo scan > $kmemleak &&
		sleep 5 &&
		echo scan > $kmemleak
}

# lockdep looks at nothing any more after its first report, whatever that was of.
lockdep_works()
{
	! grep -qs 'debug_locks: *0' /proc/lockdep_stats || {
		echo "peermem-guest: lockdep is at work no more"
		return 1
	}
}

# Fails, and tells the kernel's log, if something was lost. Takes the modules
# down for that.
leaks_none()
{
	local line

	[ -w $kmemleak ] || return 0
	[ -n "$VM_STOCK" ] || leaks_unload || {
		echo "peermem-guest: the modules cannot be unloaded"
		return 1
	}
	leaks_scan || {
		echo "peermem-guest: kmemleak is at work no more"
		return 1
	}
	read -r line < $kmemleak || return 0
	echo "peermem-guest: kmemleak found"
	while IFS= read -r line; do
		echo "$line"
	done < $kmemleak
	return 1
}
