#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Clients that use symbol_get() find the API only in a core that was built with
# PEERMEM_SYMBOL_GET=y.
#
# usage: symbol_test.sh IB_PEER_MEM.KO MODULES, in the guest; the first: built with
# PEERMEM_SYMBOL_GET=y; MODULES: directory of the test modules

core=$1
modules=$2
vm=$(dirname "$0")/../../vm/guest
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
# shellcheck source=vm/guest/unload.sh
. "$vm/unload.sh"

finds_api()
{
	insmod "$modules/peer_test_symbol.ko" 2> /dev/null &&
		rmmod peer_test_symbol
}

tap_is "symbol_get() fails with the default build" "$(finds_api && echo found)" ""
"$vm/rxe.sh" off
unload_with_users ib_peer_mem
tap_run "load the build with PEERMEM_SYMBOL_GET=y" insmod "$core"
tap_run "symbol_get() finds the API" finds_api
tap_run "unload the core" rmmod ib_peer_mem
modprobe peer_vram
"$vm/rxe.sh" extended > /dev/null
tap_done
