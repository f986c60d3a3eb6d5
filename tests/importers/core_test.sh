#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The core comes and goes while a DMA importer is there: the importer's driver does
# not notice, and serves peer memory whenever the core is there. The importer comes
# and goes while the core is there.
#
# usage: core_test.sh MODULES PROGRAMS, in the guest; where edu_rdma.ko is, and the
# programs importer_*_test

modules=$1 programs=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=tests/vm/unload.sh
. "$here/../vm/unload.sh"

# One test of a program. A name that there is not would run none, and pass.
# shellcheck disable=SC2317 # called by tap_run
passes()
{
	local text

	if ! text=$("$programs/$1" -r "$2" 2>&1) ||
			[[ $text != *"pass:1 fail:0"* ]]; then
		echo "$text"
		return 1
	fi
}

# shellcheck disable=SC2317 # called by tap_run
host_memory()
{
	passes importer_bytes_test bytes.dynamic_host.there_and_back
}

# shellcheck disable=SC2317 # called by tap_run
peer_memory()
{
	passes importer_peer_test peer.dynamic_vram.there_and_back
}

# shellcheck disable=SC2317 # called by tap_run
core_goes()
{
	"$here/../vm/rxe.sh" off && unload_with_users ib_peer_mem &&
		[ ! -e /sys/module/ib_peer_mem ]
}

# shellcheck disable=SC2317 # called by tap_run
core_comes()
{
	modprobe -a ib_peer_mem peer_vram && "$here/../vm/rxe.sh" extended
}

tap_run "the importer comes" insmod "$modules/edu/edu_rdma.ko"
tap_run "host memory" host_memory
tap_run "peer memory" peer_memory
for round in 1 2; do
	tap_run "round $round: the core goes" core_goes
	tap_run "host memory" host_memory
	tap_run "the core comes" core_comes
	tap_run "host memory" host_memory
	tap_run "peer memory" peer_memory
done
tap_run "the importer goes" rmmod edu_rdma
tap_run "and comes" insmod "$modules/edu/edu_rdma.ko"
tap_run "peer memory" peer_memory
tap_run "the core goes" core_goes
tap_run "the importer goes" rmmod edu_rdma
tap_run "the core comes" core_comes
tap_run "the importer comes" insmod "$modules/edu/edu_rdma.ko"
tap_run "peer memory" peer_memory
tap_run "the importer goes" rmmod edu_rdma
tap_done
