#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Makes the Debian packages in FOLDER, out of a copy of the source, so that
# nothing is left in here.
#
# usage: package.sh FOLDER

set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
folder=$1

die()
{
	echo "package: $*" >&2
	exit 1
}

# The version stands in the change log, for CMake and in each module.
version=$(dpkg-parsechangelog -l "$here/packaging/debian/changelog" -S Version)
agreeing=$(grep -l -e "project(peermem VERSION $version " \
	-e "MODULE_VERSION(\"$version\")" "$here/CMakeLists.txt" \
	"$here"/kernel/*/*.c | wc -l)
modules=("$here"/kernel/*/Kbuild)
[ "$agreeing" = $((1 + ${#modules[@]})) ] ||
	die "debian/changelog, CMakeLists.txt and the modules differ in the version"

rm -rf "$folder"
mkdir -p "$folder/source"
cp -r "$here"/{CMakeLists.txt,CMakePresets.json,cmake,include,kernel,lib,packaging,provider,tools} \
	"$folder/source/"
cp -r "$here/packaging/debian" "$folder/source/debian"
cd "$folder/source"
dpkg-buildpackage -us -uc -b > "$folder/log" 2>&1 || {
	tail -n 30 "$folder/log" >&2
	die "dpkg-buildpackage failed; all it said is in $folder/log"
}
ls "$folder"/*.deb
