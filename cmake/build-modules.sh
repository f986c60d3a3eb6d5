#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# build-modules.sh HEADERS TREE [MAKE-ARGUMENT...]
#
# Runs kbuild in a tree that lay-out.sh made. Prints only the files that are
# compiled, and warnings. The make variable PEERMEM_VERSION is the version that
# CMakeLists.txt defines. In a tree with the folder compat, first finds out which
# interfaces the kernel has (probe-kernel.sh).

set -euo pipefail

headers=$1 tree=$2
shift 2
version=$(sed -n 's/^project(peermem VERSION \([0-9.]*\) .*/\1/p' \
	"$(dirname "$0")/../CMakeLists.txt")

# kbuild does not notice that the symbols of other modules have changed.
for argument; do
	symbols=${argument#KBUILD_EXTRA_SYMBOLS=}
	[ "$symbols" = "$argument" ] || [ "$symbols" -ot "$tree/Module.symvers" ] ||
		rm -f "$tree/Module.symvers"
done

[ ! -d "$tree/compat" ] || "$(dirname "$0")/probe-kernel.sh" "$headers" "$tree"

# MAKEFLAGS of an outer make would pass a job server that is not usable here.
unset MAKEFLAGS MAKELEVEL MFLAGS
status=0
{
	make -C "$headers" M="$tree" -j"$(nproc)" --no-print-directory \
		PEERMEM_VERSION="$version" "$@" modules 2>&1 >&3 |
		sed -u '/Skipping BTF generation/d' >&2
} 3>&1 || status=$?
exit $status
