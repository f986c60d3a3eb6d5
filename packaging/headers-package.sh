#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Prints the name of the package with the headers of the 6.12 kernel. In Debian 13
# it is the default kernel; Debian 12 has it in its security suite.

if grep -qs '^VERSION_ID="13"' /etc/os-release; then
	echo linux-headers-amd64
else
	echo linux-headers-6.12-amd64
fi
