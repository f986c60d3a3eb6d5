#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in the virtual machine with an ext4 file system in $TMPDIR, on a
# loop device in memory.

image=/run/ext4.image
folder=/run/ext4

modprobe -a loop ext4
truncate -s 64M $image && mkfs.ext4 -q $image && mkdir -p $folder &&
	mount -o loop $image $folder || exit 1
TMPDIR=$folder "$@"
status=$?
umount $folder && exit $status
