#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Loads and unloads the core while the driver of a DMA importer is loaded, and the
# other way round. The importer works with system memory at any time, and with peer
# memory while the core is loaded.
#
# usage: core_test.sh MODULES PROGRAMS, in the guest; MODULES is the build directory
# of the test modules, PROGRAMS the one of importer_*_test

modules=$1 programs=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=vm/guest/unload.sh
. "$here/../../vm/guest/unload.sh"

# Runs test case $2 of program $1. Fails if there is no such test case, with which
# the program would run none and pass.
# shellcheck disable=SC2317 # called by tap_run
run_test()
{
	local text

	if ! text=$("$programs/$1" -r "$2" 2>&1) ||
			[[ $text != *"pass:1 fail:0"* ]]; then
		echo "$text"
		return 1
	fi
}

# shellcheck disable=SC2317 # called by tap_run
system_memory()
{
	run_test importer_bytes_test bytes.dynamic_host.write_and_read
}

# shellcheck disable=SC2317 # called by tap_run
peer_memory()
{
	run_test importer_peer_test peer.dynamic_vram.write_and_read
}

# shellcheck disable=SC2317 # called by tap_run
unload_core()
{
	"$here/../../vm/guest/rxe.sh" off && unload_with_users ib_peer_mem &&
		[ ! -e /sys/module/ib_peer_mem ]
}

# shellcheck disable=SC2317 # called by tap_run
load_core()
{
	modprobe -a ib_peer_mem peer_vram && "$here/../../vm/guest/rxe.sh" extended
}

tap_run "load the importer" insmod "$modules/edu/edu_rdma.ko"
tap_run "system memory" system_memory
tap_run "peer memory" peer_memory
for round in 1 2; do
	tap_run "round $round: unload the core" unload_core
	tap_run "system memory" system_memory
	tap_run "load the core" load_core
	tap_run "system memory" system_memory
	tap_run "peer memory" peer_memory
done
tap_run "unload the importer" rmmod edu_rdma
tap_run "load the importer" insmod "$modules/edu/edu_rdma.ko"
tap_run "peer memory" peer_memory
tap_run "unload the core" unload_core
tap_run "unload the importer" rmmod edu_rdma
tap_run "load the core" load_core
tap_run "load the importer" insmod "$modules/edu/edu_rdma.ko"
tap_run "peer memory" peer_memory
tap_run "unload the importer" rmmod edu_rdma
tap_done
