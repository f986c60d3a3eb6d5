#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Which controllers peer_cmb binds (driver_override, "controllers=", new_id), and
# the messages for those that it cannot use. peer_cmb_regs_test.ko tests the
# decoding of registers.
#
# usage: controllers_test.sh REGS-TEST-MODULE
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../tap.sh
. "$here/../tap.sh"

regs_test=$1
pci=/sys/bus/pci/devices
driver=/sys/bus/pci/drivers/peer_cmb

# The controllers in the order of their PCI addresses; see tests/vm/vm.sh.
mapfile -t nvme < <(grep -l '^0x010802' $pci/*/class | cut -d/ -f6)
old=${nvme[0]} no_disk=${nvme[1]} none=${nvme[2]} large=${nvme[3]}
edu=$(grep -l '^0x11e8' $pci/*/device | cut -d/ -f6)

driver_of()
{
	basename "$(readlink "$pci/$1/driver" || echo none)"
}

# Unbinds all devices and unloads the modules.
reset_all()
{
	local address module

	for address in "${nvme[@]}" "$edu"; do
		[ ! -e "$pci/$address/driver" ] ||
			echo "$address" > "$pci/$address/driver/unbind"
		echo > "$pci/$address/driver_override"
	done
	for module in peer_cmb nvme nvme_core; do
		[ ! -e "/sys/module/$module" ] || rmmod "$module"
	done
}

# Marks the present end of the kernel log.
mark_log()
{
	echo "controllers_test: log mark" > /dev/kmsg
}

# Prints the kernel log since the last mark.
new_messages()
{
	dmesg | tac | sed '/controllers_test: log mark/,$d' | tac
}

# Prints the new messages about controller $1, without the device name, and without that of
# PCI.
messages_of()
{
	new_messages | sed -n "s/.*peer_cmb $1: \(peer_cmb[0-9]*: \)\?//p" |
		sed '/^enabling device /d'
}

# Binds controller $1 to the module by driver_override.
bind_controller()
{
	mark_log
	echo peer_cmb > "$pci/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
}

# edu_rdma, if an earlier test has loaded it.
engine_driver=$(driver_of "$edu")
reset_all
modprobe peer_cmb
tap_is "by default no controller is bound" \
	"$(for a in "${nvme[@]}"; do driver_of "$a"; done | sort -u)" none
tap_is "the module has no alias that loads it" \
	"$(modinfo -F alias "$PEERMEM_MODULES/cmb/peer_cmb.ko")" ""

bind_controller "$large"
tap_is "driver_override: bound" "$(driver_of "$large")" peer_cmb
tap_is "size of its CMB is logged" "$(messages_of "$large")" \
	"controller memory buffer, 65536 KiB"
tap_run "device file exists" test -c /dev/peer_cmb0
bind_controller "$old"
tap_is "NVMe 1.2: bound" "$(messages_of "$old")" \
	"controller memory buffer, 2048 KiB"
tap_run "device files are numbered" test -c /dev/peer_cmb1

bind_controller "$none" 2> /dev/null
tap_is "controller without CMB: not bound" "$(driver_of "$none")" none
tap_is "controller without CMB: reason is logged" "$(messages_of "$none")" \
	"there is no controller memory buffer (CMBLOC 0x0, CMBSZ 0x0)"
bind_controller "$edu" 2> /dev/null
tap_is "not an NVMe controller: not bound" "$(driver_of "$edu")" none
tap_is "not an NVMe controller: reason is logged" "$(messages_of "$edu")" \
	"this is not an NVMe controller"

echo "$large" > $driver/unbind
tap_run "unbind removes the device file" test ! -e /dev/peer_cmb0
bind_controller "$no_disk"
tap_is "the number is reused" "$(basename "$pci/$no_disk"/misc/*)" peer_cmb0

reset_all
modprobe nvme
echo "$old" > /sys/bus/pci/drivers/nvme/unbind
modprobe peer_cmb "controllers=$large,$old"
tap_is "listed, but bound to another driver" "$(driver_of "$large")" nvme
tap_is "listed and not bound" "$(driver_of "$old")" peer_cmb
echo "$large" > /sys/bus/pci/drivers/nvme/unbind
echo "$large" > $driver/bind
tap_is "listed and unbound later" "$(driver_of "$large")" peer_cmb
echo "$no_disk" > /sys/bus/pci/drivers/nvme/unbind
echo "$no_disk" > $driver/bind 2> /dev/null
tap_is "not listed" "$(driver_of "$no_disk")" none

reset_all
modprobe peer_cmb
read -r vendor < "$pci/$large/vendor"
read -r device < "$pci/$large/device"
echo "${vendor#0x} ${device#0x}" > $driver/new_id
tap_is "new_id: all controllers with a CMB are bound" \
	"$(for a in "${nvme[@]}"; do driver_of "$a"; done | paste -sd' ')" \
	"peer_cmb peer_cmb none peer_cmb"

reset_all
mark_log
for list in 00:05.0 "$large," 0000:00:05.00 x; do
	tap_run "controllers=$list is rejected" \
		bash -c "! modprobe peer_cmb controllers=$list 2> /dev/null"
done
tap_is "each rejected list is logged" \
	"$(new_messages | grep -c 'peer_cmb: controllers: invalid PCI address')" 4

tap_run "registers are decoded as specified" insmod "$regs_test"
[ ! -e /sys/module/peer_cmb_regs_test ] || rmmod peer_cmb_regs_test
reset_all
echo "$edu" > /sys/bus/pci/drivers_probe
tap_is "the DMA engine has its driver again" "$(driver_of "$edu")" "$engine_driver"
tap_done
