#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs after all other tests, in the same machine: they must not have left anything
# that prevents a module from being unloaded, or from being loaded again.
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../tap.sh
. "$here/../tap.sh"
peers=/sys/kernel/mm/memory_peers

# The counters of an exporter show as many released regions as registered ones.
balanced()
{
	local what begin end

	for what in mrs:alloc:dealloc pages:reg:dereg bytes:reg:dereg; do
		IFS=: read -r what begin end <<< "$what"
		[ "$(cat "$peers/$1/num_${begin}_$what")" = \
			"$(cat "$peers/$1/num_${end}_$what")" ] || return
	done
}

is_loaded()
{
	[ -e "/sys/module/$1" ]
}

none_loaded()
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

for exporter in "$peers"/*/; do
	exporter=$(basename "$exporter")
	tap_run "counters of $exporter are balanced" balanced "$exporter"
done
tap_run "rxe0 can be removed" timeout 20 rdma link delete rxe0
for module in rdma_rxe peer_vram ib_peer_mem; do
	tap_run "$module is loaded" is_loaded "$module"
done
# The other modules are loaded only if a test has used them.
for module in peerdirect_test peer_test_mem rdma_rxe peer_vram peer_cmb \
		ib_peer_bar peer_maps ib_peer_mem; do
	! is_loaded "$module" ||
		tap_run "$module can be unloaded" timeout 20 rmmod "$module"
done
tap_run "no module is left" none_loaded rdma_rxe peer_vram ib_peer_bar peer_maps \
	ib_peer_mem
tap_run "modules can be loaded again" load_all
tap_done
