#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# installed-kernels.sh
#
# Prints the versions of the 6.12 kernels whose headers are installed, the newest first.
# Flavours other than the plain one (-cloud, -rt) are left out.

find "${PEERMEM_HOST_ROOT-}/usr/src" -maxdepth 1 -name 'linux-headers-6.12.*' |
	sed -n 's,.*/linux-headers-\(6\.12\.[0-9]*+[^-]*-amd64\)$,\1,p' | sort -rV
