#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The memory buffer of an NVMe controller at work, in the guest: "./run demo --cmb"
# runs this.
#
#   give      a controller to peer_cmb, which offers its memory buffer
#   perftest  the distribution's own, between two processes, both in that memory
#   disk      a remote side writes into that memory, the controller writes it to its
#             disk, and all the way back (storage.c)
#
# Exits 0 only if each of these is as it should be.
#
# usage: cmb.sh STORAGE

set -u

storage=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
report=()

# shellcheck source=lib.sh
. "$here/lib.sh"

give()
{
	local address

	# The last is the one with the large buffer; see tests/vm/vm.sh.
	address=$(grep -l '^0x010802' /sys/bus/pci/devices/*/class |
		tail -n 1 | cut -d/ -f6)
	say "Give: controller $address to peer_cmb"
	say "  \$ modprobe peer_cmb controllers=$address"
	modprobe peer_cmb "controllers=$address" || die "cannot load it"
	node=$(echo "/sys/bus/pci/devices/$address/misc"/peer_cmb*)
	node=/dev/${node##*/}
	[ -c "$node" ] || die "it was not taken; dmesg says why"
	counters=/sys/kernel/mm/memory_peers/${node##*/}
	say "  $(dmesg | grep -o "${node##*/}: .*" | tail -n 1)"
}

disk()
{
	say "Disk: from a remote side into the buffer, to the disk, and back"
	"$storage" "$node" | tee "$work/storage"
	[ "${PIPESTATUS[0]}" = 0 ] || die "that was not as it should be"
	report+=("$(sed -n 's/^  total: /disk    /p' "$work/storage")")
}

trap 'rm -rf "$work"' EXIT
give
say "Perftest: in the buffer, at both ends"
for program in ib_write_bw ib_read_bw; do
	show_perftest "$program" buffer "both ends in $node"
done
disk
say ""
say "Report: Soft-RoCE of Linux $(uname -r), $(nproc) processors"
printf '  %s\n' "${report[@]}"
