#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Which controllers peer_cmb takes, by whose word, and what it says of those that
# it cannot use; and what it makes of registers (peer_cmb_regs_test.ko).
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

# The machine's, in this order; see tests/vm/vm.sh.
mapfile -t nvme < <(grep -l '^0x010802' $pci/*/class | cut -d/ -f6)
old=${nvme[0]} no_disk=${nvme[1]} none=${nvme[2]} large=${nvme[3]}
edu=$(grep -l '^0x11e8' $pci/*/device | cut -d/ -f6)

driver_of()
{
	basename "$(readlink "$pci/$1/driver" || echo none)"
}

# As it was before: nobody has them, and the module is not there.
start_anew()
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

# What the kernel has said since "listen".
listen()
{
	echo "controllers_test: from here" > /dev/kmsg
}

heard()
{
	dmesg | tac | sed '/controllers_test: from here/,$d' | tac
}

# Of controller $1, without the node's name.
heard_of()
{
	heard | sed -n "s/.*peer_cmb $1: \(peer_cmb[0-9]*: \)\?//p"
}

# Gives controller $1 to the module by driver_override.
give()
{
	listen
	echo peer_cmb > "$pci/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
}

start_anew
modprobe peer_cmb
tap_is "unasked, no controller is taken" \
	"$(for a in "${nvme[@]}"; do driver_of "$a"; done | sort -u)" none
tap_is "nor is the module loaded for one" \
	"$(modinfo -F alias "$PEERMEM_MODULES/cmb/peer_cmb.ko")" ""

give "$large"
tap_is "driver_override: taken" "$(driver_of "$large")" peer_cmb
tap_is "its buffer is named" "$(heard_of "$large")" \
	"controller memory buffer, 65536 KiB"
tap_run "its node is there" test -c /dev/peer_cmb0
give "$old"
tap_is "one of NVMe 1.2: taken" "$(heard_of "$old")" \
	"controller memory buffer, 2048 KiB"
tap_run "nodes are numbered" test -c /dev/peer_cmb1

give "$none" 2> /dev/null
tap_is "one without a buffer: not taken" "$(driver_of "$none")" none
tap_is "and that is said" "$(heard_of "$none")" \
	"there is no controller memory buffer (CMBLOC 0x0, CMBSZ 0x0)"
give "$edu" 2> /dev/null
tap_is "another device: not taken" "$(driver_of "$edu")" none
tap_is "and that is said, too" "$(heard_of "$edu")" \
	"this is not an NVMe controller"

echo "$large" > $driver/unbind
tap_run "a node goes with its controller" test ! -e /dev/peer_cmb0
give "$no_disk"
tap_is "its number is free" "$(basename "$pci/$no_disk"/misc/*)" peer_cmb0

start_anew
modprobe nvme
echo "$old" > /sys/bus/pci/drivers/nvme/unbind
modprobe peer_cmb "controllers=$large,$old"
tap_is "listed, but another driver has it" "$(driver_of "$large")" nvme
tap_is "listed, and free" "$(driver_of "$old")" peer_cmb
echo "$large" > /sys/bus/pci/drivers/nvme/unbind
echo "$large" > $driver/bind
tap_is "listed, and free later" "$(driver_of "$large")" peer_cmb
echo "$no_disk" > /sys/bus/pci/drivers/nvme/unbind
echo "$no_disk" > $driver/bind 2> /dev/null
tap_is "not listed" "$(driver_of "$no_disk")" none

start_anew
modprobe peer_cmb
read -r vendor < "$pci/$large/vendor"
read -r device < "$pci/$large/device"
echo "${vendor#0x} ${device#0x}" > $driver/new_id
tap_is "new_id: all that have a buffer" \
	"$(for a in "${nvme[@]}"; do driver_of "$a"; done | paste -sd' ')" \
	"peer_cmb peer_cmb none peer_cmb"

start_anew
listen
for list in 00:05.0 "$large," 0000:00:05.00 x; do
	tap_run "controllers=$list is refused" \
		bash -c "! modprobe peer_cmb controllers=$list 2> /dev/null"
done
tap_is "and that is said of each" \
	"$(heard | grep -c 'peer_cmb: controllers: ".*" is not like 0000')" 4

tap_run "registers mean what the specification says" insmod "$regs_test"
[ ! -e /sys/module/peer_cmb_regs_test ] || rmmod peer_cmb_regs_test
start_anew
tap_done
