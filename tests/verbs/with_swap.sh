#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with an NVMe disk as swap space: the disk of
# the controller with the serial number "peermem". There are other controllers.

# Prints the node of the disk; "/dev/" if there is no such disk.
disk()
{
	local path

	path=$(grep -sl '^peermem *$' /sys/block/nvme*n1/device/serial)
	path=${path#/sys/block/}
	echo "/dev/${path%%/*}"
}

modprobe nvme
for _ in {1..60}; do
	[ -b "$(disk)" ] && break
	sleep 0.5
done
if ! [ -b "$(disk)" ]; then
	echo "with_swap.sh: no NVMe disk with the serial number peermem" >&2
	exit 1
fi
mkswap "$(disk)" > /dev/null && swapon "$(disk)" || exit 1
exec "$@"
