#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# on_ram.sh PROGRAM [ARGUMENT...]
#
# Runs a program as on a host without the PCI device of peer_vram: /dev/peer_vram0 is made
# of system memory (module parameter ram_mb), whenever the module is loaded.

set -eu

options=/run/modprobe.d/on_ram.conf

# The PCI device of peer_vram.
pci_device()
{
	local device

	for device in /sys/bus/pci/devices/*; do
		[ "$(cat "$device/vendor" "$device/device")" != $'0x1af4\n0x1110' ] ||
			echo "$device"
	done
}

override()
{
	modprobe -r peer_vram
	[ -z "$pci" ] || echo "$1" > "$pci/driver_override"
}

# shellcheck disable=SC2317	# called by trap
restore()
{
	rm -f "$options"
	override ""
	modprobe peer_vram
}

pci=$(pci_device)
trap restore EXIT
mkdir -p /run/modprobe.d
echo "options peer_vram ram_mb=256" > "$options"
override none
modprobe peer_vram
status=0
"$@" || status=$?
exit $status
