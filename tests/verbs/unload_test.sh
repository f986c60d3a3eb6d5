#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Comes after all other tests, in the same machine: nothing that they did may
# keep a module from being unloaded, nor make loading it again fail.
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../tap.sh
. "$here/../tap.sh"
peers=/sys/kernel/mm/memory_peers

# All regions of the client that came have gone.
balanced()
{
	local what come gone

	for what in mrs:alloc:dealloc pages:reg:dereg bytes:reg:dereg; do
		IFS=: read -r what come gone <<< "$what"
		[ "$(cat "$peers/$1/num_${come}_$what")" = \
			"$(cat "$peers/$1/num_${gone}_$what")" ] || return
	done
}

is_there()
{
	[ -e "/sys/module/$1" ]
}

gone()
{
	local name

	for name in "$@"; do
		[ ! -e "/sys/module/$name" ] || return
	done
}

load_all()
{
	modprobe -a ib_peer_mem peer_vram rdma_rxe &&
		rdma link add rxe0 type rxe netdev eth0 &&
		[ -c /dev/peer_vram0 ]
}

for client in "$peers"/*/; do
	client=$(basename "$client")
	tap_run "counters of $client are balanced" balanced "$client"
done
tap_run "rxe0 can be removed" timeout 20 rdma link delete rxe0
for module in rdma_rxe peer_vram ib_peer_mem; do
	tap_run "$module was used" is_there "$module"
done
# What no test before has loaded is not there to be unloaded.
for module in peerdirect_test peer_test_mem rdma_rxe peer_vram peer_cmb \
		ib_peer_bar peer_maps ib_peer_mem; do
	! is_there "$module" ||
		tap_run "$module can be unloaded" timeout 20 rmmod "$module"
done
tap_run "nothing is left" gone rdma_rxe peer_vram ib_peer_bar peer_maps \
	ib_peer_mem
tap_run "all can be loaded again" load_all
tap_done
