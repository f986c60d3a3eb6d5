#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Replaces ib_peer_mem in the virtual machine by the build with hold points
# (kernel/core/hold_point.c), then runs a command.
#
# usage: with_holds.sh IB_PEER_MEM.KO COMMAND...

set -eu

module=$1
vm=$(dirname "$0")/../vm
shift

# shellcheck source=../vm/unload.sh
. "$vm/unload.sh"

"$vm/rxe.sh" off
unload_with_users ib_peer_mem
insmod "$module"
modprobe peer_vram
"$vm/rxe.sh" extended > /dev/null
exec "$@"
