#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# build-modules.sh HEADERS TREE [MAKE-ARGUMENT...]
#
# Runs kbuild over a tree that lay-out.sh made. Quiet but for what is compiled
# and for warnings.

set -euo pipefail

headers=$1 tree=$2
shift 2

# kbuild does not see that the symbols of other modules have changed.
for argument; do
	symbols=${argument#KBUILD_EXTRA_SYMBOLS=}
	[ "$symbols" = "$argument" ] || [ "$symbols" -ot "$tree/Module.symvers" ] ||
		rm -f "$tree/Module.symvers"
done

# MAKEFLAGS of an outer make would hand over a job server we cannot use.
unset MAKEFLAGS MAKELEVEL MFLAGS
status=0
{
	make -C "$headers" M="$tree" -j"$(nproc)" --no-print-directory \
		"$@" modules 2>&1 >&3 |
		sed -u '/Skipping BTF generation/d' >&2
} 3>&1 || status=$?
exit $status
