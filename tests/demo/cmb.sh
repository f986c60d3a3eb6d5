#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Demonstrates the controller memory buffer (CMB) of an NVMe controller, in the
# guest. "./run demo --cmb" runs this.
#
#   bind      binds a controller to peer_cmb, which exports its CMB
#   perftest  the distribution's perftest between two processes, both with that CMB
#   disk      a remote side writes to the CMB, the controller writes it to its disk,
#             and the way back (storage.c)
#
# Exits 0 only if all steps succeed.
#
# usage: cmb.sh STORAGE, the program built from storage.c

set -u

storage=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
report=()

# shellcheck source=lib.sh
. "$here/lib.sh"

bind_controller()
{
	local address

	# The last controller has the large CMB; see tests/vm/vm.sh.
	address=$(grep -l '^0x010802' /sys/bus/pci/devices/*/class |
		tail -n 1 | cut -d/ -f6)
	say "Bind: controller $address to peer_cmb"
	say "  \$ modprobe peer_cmb controllers=$address"
	modprobe peer_cmb "controllers=$address" || die "cannot load peer_cmb"
	node=$(echo "/sys/bus/pci/devices/$address/misc"/peer_cmb*)
	node=/dev/${node##*/}
	[ -c "$node" ] ||
		die "peer_cmb did not bind to the controller; see dmesg"
	counters=/sys/kernel/mm/memory_peers/${node##*/}
	say "  $(dmesg | grep -o "${node##*/}: .*" | tail -n 1)"
}

disk()
{
	say "Disk: from a remote side into the CMB, to the disk, and back"
	"$storage" "$node" | tee "$work/storage"
	[ "${PIPESTATUS[0]}" = 0 ] || die "the transfer failed"
	report+=("$(sed -n 's/^  total: /disk    /p' "$work/storage")")
}

trap 'rm -rf "$work"' EXIT
bind_controller
say "Perftest: both sides use the CMB"
for program in ib_write_bw ib_read_bw; do
	show_perftest "$program" cmb "both sides in $node"
done
disk
say ""
say "Report: Soft-RoCE of Linux $(uname -r), $(nproc) processors"
printf '  %s\n' "${report[@]}"
