#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Cross-builds the Debian packages for arm64, and uses them in a virtual machine of arm64.
# They are extracted, not installed: the guest has no writable root.
#
# usage: arm64_test.sh FOLDER        folder for the packages

set -u

folder=$1
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/package/packages.sh
. tests/package/packages.sh

binaries=(
	/usr/bin/peermem /usr/lib/aarch64-linux-gnu/libpeermem.so.1
	/usr/lib/aarch64-linux-gnu/peermem/librxe-rdmav*.so
)

machine_of()
{
	readelf -h "$1" | sed -n 's/^ *Machine: *//p'
}

build_packages "$folder" arm64
provider_depends_on "$folder" '[0-9.]+'
rm -rf "$folder/root"
for package in "$folder"/{libpeermem1,peermem-provider,peermem-tools}_*_arm64.deb; do
	dpkg-deb -x "$package" "$folder/root"
done
for binary in "${binaries[@]}"; do
	# shellcheck disable=SC2086	# the name has a pattern
	tap_is "${binary##*/} is a program of arm64" \
		"$(machine_of "$folder/root"$binary)" AArch64
done
# Not the provider of the build folder, but that of the package.
output=$(./run vm --arch arm64 -- tests/package/use.sh "$folder/root" 2>&1)
tap_run "the provider of the package is loaded" \
	grep -x "provider: $folder/root/usr/lib/aarch64-linux-gnu/peermem/librxe-rdmav[0-9]*.so" \
	<<< "$output"
tap_run "ibv_advise_mr() works with it" grep -x "advise_mr: 0" <<< "$output"
tap_run "the command peermem shows the exporter" grep "^peer_vram " <<< "$output"
tap_done
