# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks at the end of a run: memory leaks (on a kernel with kmemleak), and whether
# lockdep and kmemleak still work. Sourced by guest.sh.

# shellcheck source=unload.sh
. "${BASH_SOURCE[0]%/*}/unload.sh"

kmemleak=/sys/kernel/debug/kmemleak

# Leaks of the kernel itself: a function of their backtraces.
#   ttm_pool_type_init   Linux 7.3: when the last TTM device ends, ttm_pool_type_fini()
#                        destroys no list_lru
known_leaks=" (ttm_pool_type_init)\+0x"

# Stops the periodic scan of kmemleak, which would slow down the tests.
leaks_start()
{
	[ ! -w $kmemleak ] || echo scan=off > $kmemleak
}

# Unloads the modules, so that memory to which only a module points is a leak too.
leaks_unload()
{
	[ ! -e /sys/class/infiniband/rxe0 ] ||
		timeout 60 rdma link delete rxe0 || return
	unload_with_users ib_peer_mem && unload_with_users peer_test_mem
}

# Scans twice: kmemleak reports an object only if it has not changed since the
# previous scan, and only if it is older than five seconds.
leaks_scan()
{
	echo scan > $kmemleak &&
		sleep 5 &&
		echo scan > $kmemleak
}

# lockdep disables itself after its first report, whatever caused it.
lockdep_works()
{
	! grep -qs 'debug_locks: *0' /proc/lockdep_stats || {
		echo "peermem-guest: lockdep has disabled itself"
		return 1
	}
}

# Prints the objects that kmemleak found, except for known leaks. An object is a line
# without a blank at its beginning, and the lines below.
leaks_found()
{
	local line object=''

	while IFS= read -r line; do
		if [[ $line != ' '* ]]; then
			[[ $object =~ $known_leaks ]] || printf %s "$object"
			object=''
		fi
		object+=$line$'\n'
	done
	[[ $object =~ $known_leaks ]] || printf %s "$object"
}

# Unloads the modules and looks for leaks. Reports them and fails if there are any.
leaks_none()
{
	local found line

	[ -w $kmemleak ] || return 0
	[ -n "$VM_STOCK" ] || leaks_unload || {
		echo "peermem-guest: cannot unload the modules"
		return 1
	}
	leaks_scan || {
		echo "peermem-guest: kmemleak has disabled itself"
		return 1
	}
	# Not by "read", which seeks for each line: a walk over all memory each time.
	found=$(cat $kmemleak | leaks_found)
	[ -n "$found" ] || return 0
	echo "peermem-guest: kmemleak found"
	while IFS= read -r line; do
		echo "$line"
	done <<< "$found"
	return 1
}
