#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with the build of ib_peer_mem that can
# hold threads (kernel/core/hold.c) in the place of the ordinary one.
#
# usage: with_holds.sh IB_PEER_MEM.KO COMMAND...

set -eu

module=$1
rxe=$(dirname "$0")/../vm/rxe.sh
shift

"$rxe" off
for loaded in peerdirect_test peer_cmb ib_peer_bar peer_vram peer_maps ib_peer_mem; do
	[ ! -e /sys/module/$loaded ] || rmmod $loaded
done
insmod "$module"
modprobe peer_vram
"$rxe" extended > /dev/null
exec "$@"
