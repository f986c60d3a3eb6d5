#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with the build of ib_peer_mem that can
# hold threads (kernel/core/hold.c) in the place of the ordinary one.
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
