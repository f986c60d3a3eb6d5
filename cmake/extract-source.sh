#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# extract-source.sh TARBALL VERSION FOLDER
#
# Extracts the files that the build needs from a kernel source tarball. They
# replace FOLDER: rxe, checkpatch, kernel-doc, the harness of the kernel's selftests,
# and the top Makefile. The version in that Makefile must be a prefix of VERSION
# (6.12.117 of 6.12.117+deb12-amd64), or VERSION is its series (6.12).

set -euo pipefail

tarball=$1 version=$2 folder=$3

# Each kernel has these.
members=(
	Makefile
	Documentation/sphinx/kerneldoc.py
	drivers/infiniband/sw/rxe
	scripts/checkpatch.pl
	scripts/const_structs.checkpatch
	scripts/kernel-doc
	scripts/spelling.txt
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
)
# What kernel-doc needs, depending on the kernel.
some=(
	Documentation/sphinx/kernellog.py
	tools/docs/kernel-doc
	tools/lib/python
)

die()
{
	echo "extract-source: $*" >&2
	exit 1
}

rm -rf "$folder.new"
mkdir -p "$folder.new"
top=$(basename "$tarball")
top=${top%.tar.*}
# tar fails if a member does not exist.
messages=$(LC_ALL=C tar -xf "$tarball" -C "$folder.new" --strip-components=1 \
	"${members[@]/#/$top/}" "${some[@]/#/$top/}" 2>&1) || :
for member in "${members[@]}"; do
	[ -e "$folder.new/$member" ] ||
		die "$tarball is not a kernel source tarball; tar: $messages"
done

makefile_version=$(awk -F ' *= *' '
	/^VERSION/ { v = $2 } /^PATCHLEVEL/ { p = $2 }
	/^SUBLEVEL/ { print v "." p "." $2; exit }' "$folder.new/Makefile")
case $version in
"$makefile_version"[!0-9]*|"$makefile_version"|"${makefile_version%.*}") ;;
*)
	die "$tarball contains Linux $makefile_version, the headers are $version." \
		"Install linux-source and linux-headers of the same version."
	;;
esac

rm -rf "$folder"
mv "$folder.new" "$folder"
