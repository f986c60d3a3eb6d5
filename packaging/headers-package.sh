#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Says the package with the headers of a 6.12 kernel (and with them the kernel):
# the standard one of Debian 13; Debian 12 has it under a name of its own.

if grep -qs '^VERSION_ID="13"' /etc/os-release; then
	echo linux-headers-amd64
else
	echo linux-headers-6.12-amd64
fi
