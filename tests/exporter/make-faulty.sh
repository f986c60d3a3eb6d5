#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# make-faulty.sh EXAMPLE FAULTS TREE
#
# Lays out copies of the example exporter (folder EXAMPLE) in folder TREE, for kbuild. Each
# has one fault, a sed script of folder FAULTS, and a name of its own: no-lock.sed makes
# faulty_no_lock.c, for the module, the exporter and the node of that name. Files that have
# not changed are not touched.

set -euo pipefail

example=$1 faults=$2 tree=$3

die()
{
	echo "make-faulty: $*" >&2
	exit 1
}

# Writes the standard input to file $1, if it is not there already.
update()
{
	local new

	new=$(cat)
	[ -f "$1" ] && [ "$new" = "$(< "$1")" ] || echo "$new" > "$1"
}

mkdir -p "$tree"
objects=
for fault in "$faults"/*.sed; do
	name=faulty_$(basename "$fault" .sed | tr - _)
	source=$(sed -f "$fault" "$example/peer_example.c") || die "$fault is not for sed"
	[ "$source" != "$(< "$example/peer_example.c")" ] || die "$fault changes nothing"
	echo "${source//peer_example/$name}" | update "$tree/$name.c"
	objects+=" $name.o"
done
for file in "$tree"/faulty_*.c; do
	[[ " $objects " = *" $(basename "$file" .c).o "* ]] || rm "$file"
done
# shellcheck disable=SC2016	# make expands it
update "$tree/Kbuild" <<< "# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
ccflags-y += -I\$(PEERMEM_INCLUDE)
obj-m :=$objects"
