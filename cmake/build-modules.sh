#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# build-modules.sh HEADERS TREE [MAKE-ARGUMENT...]
#
# Runs kbuild in a tree that lay-out.sh made. Prints only the files that are
# compiled, and warnings. The make variable PEERMEM_VERSION is the version that
# CMakeLists.txt defines. There is no debug information, which takes a fifth of the
# time; CONFIG_DEBUG_INFO=y among the arguments adds it. In a tree with the folder
# compat, first finds out which interfaces the kernel has (probe-kernel.sh).

set -euo pipefail

here=$(dirname "$0")
headers=$1 tree=$2
shift 2
# shellcheck source=arch.sh
. "$here/arch.sh"
version=$(sed -n 's/^project(peermem VERSION \([0-9.]*\) .*/\1/p' \
	"$here/../CMakeLists.txt")

# kbuild does not notice that the symbols of other modules have changed.
for argument; do
	symbols=${argument#KBUILD_EXTRA_SYMBOLS=}
	[ "$symbols" = "$argument" ] || [ "$symbols" -ot "$tree/Module.symvers" ] ||
		rm -f "$tree/Module.symvers"
done

[ ! -d "$tree/compat" ] || "$here/probe-kernel.sh" "$headers" "$tree"

# MAKEFLAGS of an outer make would pass a job server that is not usable here.
unset MAKEFLAGS MAKELEVEL MFLAGS
# shellcheck disable=SC2046	# words
exec make -C "$headers" M="$tree" $(arch_make_options "$(release_of "$headers")") \
	-j"$(nproc)" --no-print-directory PEERMEM_VERSION="$version" \
	CONFIG_DEBUG_INFO= CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules
