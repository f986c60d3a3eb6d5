#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Prints the path of a static busybox. Fails if there is none: the initrd of the guest has
# no shared libraries. Some distributions have both kinds, and call this one
# busybox-static.

set -eu

for name in busybox busybox-static; do
	path=$(command -v $name) || continue
	# A program that needs shared libraries names its interpreter.
	if ! readelf -lW "$path" 2> /dev/null | grep -q ' INTERP '; then
		echo "$path"
		exit
	fi
done
exit 1
