#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# debian-mirror.sh SUITE...
#
# Prints lines for apt's sources.list: the given suites of Debian, such as "trixie" and
# "trixie-backports", and "trixie-security" from the security archive. The mirror is
# $PEERMEM_MIRROR, or the one that this Debian uses.

set -eu

# shellcheck disable=SC2016	# apt expands it
mirror=${PEERMEM_MIRROR:-$(apt-get indextargets --format '$(SITE)' \
	'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ -z "$mirror" ]; then
	echo "debian-mirror: this system uses no mirror of Debian; set PEERMEM_MIRROR" \
		"to the address of one" >&2
	exit 1
fi
if [ ! -f "$keyring" ]; then
	echo "debian-mirror: Debian's keys are missing; install debian-archive-keyring" >&2
	exit 1
fi
for suite; do
	case $suite in
	*-security) echo "deb [signed-by=$keyring] $mirror-security $suite main" ;;
	*) echo "deb [signed-by=$keyring] $mirror $suite main" ;;
	esac
done
