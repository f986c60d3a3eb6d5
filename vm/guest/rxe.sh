#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Loads one of the two rdma_rxe modules in the guest and brings rxe0 up on eth0.
#
# usage: rxe.sh stock|extended|off
#   stock     the distribution's module
#   extended  the module from the build folder
#   off       removes rxe0 and unloads the module
#
# Returns when GID index 1 exists (RoCE v2 for 10.0.0.x), because connections fail
# before. guest.sh sources this file for its functions.

rxe_gid_ready()
{
	local gids=/sys/class/infiniband/rxe0/ports/1 gid type

	read -r gid 2> /dev/null < $gids/gids/1 &&
		read -r type 2> /dev/null < $gids/gid_attrs/types/1 &&
		[[ $gid = 0000:0000:0000:0000:0000:ffff:0a00:000? ]] &&
		[ "$type" = "RoCE v2" ]
}

rxe_up()
{
	local deadline=$((SECONDS + 60))

	rdma link add rxe0 type rxe netdev eth0 || return
	while [ $SECONDS -lt $deadline ]; do
		rxe_gid_ready && return
		sleep 0.02
	done
	{
		echo "rxe0 has no RoCE v2 GID for its address; its GIDs are:"
		grep -v 0000:0000:0000:0000:0000:0000:0000:0000 \
			/sys/class/infiniband/rxe0/ports/1/gids/*
		ip -br address
	} >&2
	return 1
}

rxe_off()
{
	[ ! -e /sys/class/infiniband/rxe0 ] || rdma link delete rxe0 || return
	[ ! -e /sys/module/rdma_rxe ] || modprobe -r rdma_rxe
}

rxe_main()
{
	rxe_off || return
	case $1 in
	# An "install" rule of modprobe selects the extended module.
	stock) modprobe --ignore-install rdma_rxe && rxe_up ;;
	extended) modprobe rdma_rxe && rxe_up ;;
	off) ;;
	*) echo "usage: rxe.sh stock|extended|off" >&2; return 2 ;;
	esac
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	rxe_main "$@"
fi
