#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Builds the Debian packages in FOLDER, from a copy of the source, so that the
# source folder stays unchanged. Packages for another architecture than this system's are
# cross-built in a system of their own (cross-system.sh).
#
# usage: package.sh FOLDER [ARCHITECTURE]

set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
arch=${2:-$(dpkg --print-architecture)}

die()
{
	echo "package: $*" >&2
	exit 1
}

# CMakeLists.txt defines the version. Each module has it as MODULE_VERSION, which
# DKMS compares; debian/changelog has a placeholder.
version=$(sed -n 's/^project(peermem VERSION \([0-9.]*\) .*/\1/p' \
	"$here/CMakeLists.txt")
[ -n "$version" ] || die "CMakeLists.txt has no line 'project(peermem VERSION N'"
modules=("$here"/kernel/*/Kbuild)
agreeing=$(grep -l 'MODULE_VERSION(PEERMEM_VERSION)' "$here"/kernel/*/*.c | wc -l)
[ "$agreeing" = ${#modules[@]} ] ||
	die "$agreeing of ${#modules[@]} modules have MODULE_VERSION(PEERMEM_VERSION)"

rm -rf "$folder"
mkdir -p "$folder/source"
cp -r "$here"/{CMakeLists.txt,CMakePresets.json,cmake,include,kernel,lib,packaging,provider,tools,vm} \
	"$folder/source/"
cp -r "$here/packaging/debian" "$folder/source/debian"
sed -i "s/@VERSION@/$version/" "$folder/source/debian/changelog"
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
	call=(env -C "$folder/source")
else
	call=("$here/packaging/cross-system.sh" "$arch" "$folder" env -C source)
fi
"${call[@]}" dpkg-buildpackage -a "$arch" -us -uc -b > "$folder/log" 2>&1 || {
	tail -n 30 "$folder/log" >&2
	die "dpkg-buildpackage failed; its output is in $folder/log"
}
ls "$folder"/*.deb
