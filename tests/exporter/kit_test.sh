#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# peermem-exporter-test passes with the exporters of this project: the example, video memory
# (peer_vram) and controller memory (peer_cmb). The DMA engine of tests/kmod/edu is there.
#
# usage: kit_test.sh BUILD, in the guest
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

build=$1
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/exporter/kit.sh
. tests/exporter/kit.sh

kit=$build/tests/exporter/peermem-exporter-test
example=$build/examples/exporter/peer_example.ko
bridges=/sys/module/ib_peer_mem/parameters/p2p_bridges

# Binds peer_cmb to a controller.
bind_cmb()
{
	local device=/sys/bus/pci/devices/$1

	modprobe nvme
	modprobe peer_cmb
	[ ! -e "$device/driver" ] || echo "$1" > "$device/driver/unbind"
	echo peer_cmb > "$device/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
	[ -e "$(echo "$device"/misc/peer_cmb*)" ]
}

release_cmb()
{
	rmmod peer_cmb
	echo > "/sys/bus/pci/devices/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
}

tap_run "load the DMA engine" insmod "$build/tests/kmod/edu/edu_rdma.ko"
old_bridges=$(cat $bridges)
echo all > $bridges

tap_run "load the example" insmod "$example"
kit_example peer_example "$example"
kit_run example "$kit" "${kit_arguments[@]}"
# Sizes that are no power of two.
kit_run "example of 19 pages" "$kit" "${kit_arguments[@]}" \
	--size $((19 * $(getconf PAGESIZE))) -f data -f claim
tap_run "unload the example" rmmod peer_example

bo=$build/tests/exporter/vram_bo
kit_run vram "$kit" --exporter peer_vram --size 4M --move "$bo move" --revoke "$bo revoke" \
	--unload "rmmod peer_vram" --load "modprobe peer_vram" /dev/peer_vram0

# The controller with the large buffer is the last one; see tests/vm/vm.sh.
controller=$(grep -l '^0x010802' /sys/bus/pci/devices/*/class | cut -d/ -f6 | tail -n 1)
tap_run "bind peer_cmb to $controller" bind_cmb "$controller"
cmb=$(basename "/sys/bus/pci/devices/$controller"/misc/peer_cmb*)
kit_run cmb "$kit" --exporter "$cmb" --unload "rmmod peer_cmb" \
	--load "modprobe peer_cmb controllers=$controller" "/dev/$cmb"
tap_run "release the controller" release_cmb "$controller"

echo "$old_bridges" > $bridges
tap_run "unload the DMA engine" rmmod edu_rdma
tap_done
