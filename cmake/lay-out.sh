#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# lay-out.sh [--linux FOLDER] SOURCE TREE [SUBFOLDER...]
#
# Lays out a folder of kernel modules in the build folder, for kbuild. TREE gets
# links to the files of SOURCE, of its folder compat, and of its SUBFOLDERs (default:
# those that have a Kbuild). With --linux, the folder rxe also gets the kernel's rxe
# from FOLDER, patched with the one of rxe/hooks that applies to it.
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

die()
{
	printf 'lay-out: %s\n' "$1" "${@:2}" >&2
	exit 1
}

# Applies patch $1 to the folder $2. Fuzz is not allowed: it moves hooks to places
# where they do harm.
apply()
{
	patch -s -f -F0 -p1 -d "$2" "${@:3}" < "$1"
}

# Prints which of the hooks apply to the rxe in folder $1.
find_hooks()
{
	local patch

	for patch in "$source"/rxe/hooks/*.patch; do
		! apply "$patch" "$1" --dry-run > /dev/null || echo "$patch"
	done
}

# Fails unless $1 is one patch.
check_hooks()
{
	local kernels

	[ "$1" ] && [[ $1 != *$'\n'* ]] && return
	kernels=$(cd "$source/rxe/hooks" && printf '%s\n' *.patch | sort -V)
	kernels=${kernels//.patch} kernels=${kernels//$'\n'/, }
	if [ -z "$1" ]; then
		die "no patch in $source/rxe/hooks applies to the rxe in $linux" \
			"Supported is the rxe of Linux $kernels." \
			"Choose such a kernel (-DPEERMEM_KERNEL=VERSION), or write a patch for" \
			"this one: $source/rxe/hooks/README.md"
	fi
	die "several patches apply to the rxe in $linux, one must:" "$1" \
		"The folder has one for the rxe of each of Linux $kernels."
}

# Copies rxe into folder $1, patched.
patch_rxe()
{
	local to=$1 hooks file

	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$linux"/drivers/infiniband/sw/rxe/* "$work/"
	hooks=$(find_hooks "$work")
	check_hooks "$hooks"
	apply "$hooks" "$work"
	mkdir -p "$to"
	for file in "$work"/*.[ch] "$work/Makefile"; do
		cmp -s "$file" "$to/${file##*/}" || cp "$file" "$to/"
	done
	# Remove files of an earlier kernel or an earlier patch.
	for file in "$to"/*.[ch]; do
		[ -L "$file" ] || [ -e "$work/${file##*/}" ] || rm "$file"
	done
}

link_files "$source" "$tree" flat
[ ! -d "$source/compat" ] || link_files "$source/compat" "$tree/compat" deep
for sub in "$@"; do
	if [ "$sub" = rxe ] && [ -n "$linux" ]; then
		patch_rxe "$tree/$sub"
	fi
	link_files "$source/$sub" "$tree/$sub" deep
done
