#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# probe-kernel.sh HEADERS TREE
#
# Finds out which interfaces the kernel of HEADERS has. Compiles each file NAME.c of
# TREE/compat/probes, and writes TREE/compat/probed.h: "#define PEER_HAVE_NAME 1" for
# each that compiles. The messages of the compiler are in TREE/compat/probes.log.
#
# Does nothing if the kernel and the probes are those of the last call. If the content
# of probed.h stays the same, the file is not touched, so kbuild rebuilds nothing.

set -euo pipefail

headers=$1 tree=$2
probes=$tree/compat/probes
log=$tree/compat/probes.log
header=$tree/compat/probed.h
# shellcheck source=arch.sh
. "$(dirname "$0")/arch.sh"

# What the result depends on. A new version of the kernel's package may have the same
# name, but has other symbols.
key()
{
	{
		realpath "$headers"
		cat "$0" "$probes"/*.c
		cat "$headers"/{.config,Module.symvers,include/config/kernel.release} \
			2> /dev/null || :
	} | sha256sum
}

# Compiles the probes in folder $1. "control" compiles on each kernel. If it does not,
# nothing does, and the kernel is not the reason.
compile()
{
	local work=$1 objects

	cp -L "$probes"/*.c "$work/"
	echo '#include <linux/module.h>' > "$work/control.c"
	objects=$(cd "$work" && printf '%s ' *.c)
	objects=${objects//.c /.o }
	printf 'ccflags-y := -Werror\nobj-m := %s\n' "$objects" > "$work/Kbuild"
	# shellcheck disable=SC2046,SC2086 # words
	make -k -C "$headers" M="$work" $(arch_make_options "$(release_of "$headers")") \
		-j"$(nproc)" $objects > "$log" 2>&1 || :
	[ -f "$work/control.o" ] || {
		tail -n 20 "$log" >&2
		echo "probe-kernel: cannot compile with the kernel headers $headers;" \
			"the complete log is $log" >&2
		exit 1
	}
}

# Prints the header for what was compiled in folder $1.
describe()
{
	local file name

	echo '/* Made by cmake/probe-kernel.sh. */'
	for file in "$1"/*.o; do
		name=$(basename "${file%.o}")
		[ "$name" = control ] || echo "#define PEER_HAVE_${name^^} 1"
	done
}

# MAKEFLAGS of an outer make would pass a job server that is not usable here.
unset MAKEFLAGS MAKELEVEL MFLAGS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
key > "$work/key"
if ! cmp -s "$work/key" "$tree/compat/probes.key" || [ ! -f "$header" ]; then
	compile "$work"
	describe "$work" > "$work/probed.h"
	cmp -s "$work/probed.h" "$header" || cp "$work/probed.h" "$header"
	cp "$work/key" "$tree/compat/probes.key"
fi
