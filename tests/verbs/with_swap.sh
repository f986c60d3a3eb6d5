#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with its NVMe disk as swap space: that of
# the controller with the serial number "peermem", for there are others.

# The node, or something that is none.
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
	echo "with_swap.sh: there is no NVMe disk to swap to" >&2
	exit 1
fi
mkswap "$(disk)" > /dev/null && swapon "$(disk)" || exit 1
exec "$@"
