#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Clients that look for the API by symbol_get() find it in a core that was built for
# them, and in no other.
#
# usage: symbol_test.sh IB_PEER_MEM.KO MODULES, in the guest; the first: built with
# PEERMEM_SYMBOL_GET=y; MODULES: where the test modules are

core=$1
modules=$2
vm=$(dirname "$0")/../vm
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
# shellcheck source=tests/vm/unload.sh
. "$vm/unload.sh"

looks_for_api()
{
	insmod "$modules/peer_test_symbol.ko" 2> /dev/null &&
		rmmod peer_test_symbol
}

tap_is "an ordinary build is not found" "$(looks_for_api && echo found)" ""
"$vm/rxe.sh" off
unload_with_users ib_peer_mem
tap_run "the other is loaded" insmod "$core"
tap_run "it is found" looks_for_api
tap_run "it is unloaded" rmmod ib_peer_mem
modprobe peer_vram
"$vm/rxe.sh" extended > /dev/null
tap_done
