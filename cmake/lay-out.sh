#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# lay-out.sh [--linux FOLDER] SOURCE TREE [SUBFOLDER...]
#
# Lays out a folder of kernel modules in the build folder, for kbuild. TREE gets
# links to the files of SOURCE and of its SUBFOLDERs (default: those that have a
# Kbuild). With --linux, the folder rxe also gets the kernel's rxe from FOLDER,
# patched with hooks.patch.
#
# Files that have not changed are not touched, so kbuild rebuilds only what has.
# Links to files that no longer exist are removed.

set -euo pipefail

linux=
if [ "$1" = --linux ]; then
	linux=$2
	shift 2
fi
source=$(realpath "$1") tree=$2
shift 2
if [ $# = 0 ]; then
	for sub in "$source"/*/Kbuild; do
		[ ! -e "$sub" ] || set -- "$@" "$(basename "${sub%/Kbuild}")"
	done
fi

# Links the source files of folder $1 into folder $2. If $3 is "deep", also links the
# files of its subfolders.
link_files()
{
	local file folder

	mkdir -p "$2"
	for file in "$1"/*.[ch] "$1"/Kbuild; do
		[ -f "$file" ] || continue
		[ "$2/${file##*/}" -ef "$file" ] || ln -sfn "$file" "$2/"
	done
	find "$2" -maxdepth 1 -xtype l -delete
	[ "$3" = deep ] || return 0
	for folder in "$1"/*/; do
		[ ! -d "$folder" ] || link_files "${folder%/}" "$2/$(basename "$folder")" deep
	done
}

# Copies rxe into folder $1, patched.
patch_rxe()
{
	local to=$1 patch=$source/rxe/hooks.patch work file

	work=$(mktemp -d)
	cp "$linux"/drivers/infiniband/sw/rxe/* "$work/"
	if ! patch -s -p1 -d "$work" < "$patch"; then
		echo "lay-out: $patch does not apply to the rxe of this kernel" >&2
		exit 1
	fi
	mkdir -p "$to"
	for file in "$work"/*.[ch] "$work/Makefile"; do
		cmp -s "$file" "$to/${file##*/}" || cp "$file" "$to/"
	done
	# Remove files of an earlier kernel or an earlier patch.
	for file in "$to"/*.[ch]; do
		[ -L "$file" ] || [ -e "$work/${file##*/}" ] || rm "$file"
	done
	rm -r "$work"
}

link_files "$source" "$tree" flat
for sub in "$@"; do
	if [ "$sub" = rxe ] && [ -n "$linux" ]; then
		patch_rxe "$tree/$sub"
	fi
	link_files "$source/$sub" "$tree/$sub" deep
done
