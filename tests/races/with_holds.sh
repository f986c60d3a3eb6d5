#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Replaces ib_peer_mem in the virtual machine by the build with hold points
# (kernel/core/hold_point.c), unless it is that build, then runs a command.
#
# usage: with_holds.sh IB_PEER_MEM.KO COMMAND...

set -eu

module=$1
vm=$(dirname "$0")/../../vm/guest
shift

# shellcheck source=../../vm/guest/unload.sh
. "$vm/unload.sh"

is_loaded()
{
	[ -d /sys/kernel/debug/ib_peer_mem/hold ] &&
		[ "$(< /sys/module/ib_peer_mem/srcversion)" = \
			"$(modinfo -F srcversion "$module")" ]
}

if ! is_loaded; then
	"$vm/rxe.sh" off
	unload_with_users ib_peer_mem
	insmod "$module"
fi
modprobe peer_vram
[ -e /sys/class/infiniband/rxe0 ] || "$vm/rxe.sh" extended > /dev/null
exec "$@"
