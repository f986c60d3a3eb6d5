#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# missing-programs.sh COMMAND...
#
# Checks that this host has the programs and files which commands need: build, vm or
# debug, see programs.txt. If not, says what is missing and which command of this
# distribution installs it, and exits 1.
#
# Environment: PEERMEM_HOST_ROOT is put before the paths of files, for tests.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=${PEERMEM_HOST_ROOT-}

say()
{
	echo "run: $*" >&2
}

# Sets distribution (its name), column (of the table) and install (its command). For an
# unknown distribution, column is empty.
find_distribution()
{
	local file names id

	for file in "$root/etc/os-release" "$root/usr/lib/os-release" /dev/null; do
		[ ! -r "$file" ] || break
	done
	# shellcheck source=/dev/null
	names=$(. "$file" && echo "${NAME-this distribution}|${ID-} ${ID_LIKE-}")
	distribution=${names%%|*} column='' install=''
	for id in ${names#*|}; do
		case $id in
		debian|ubuntu) column=0 install="apt-get install" ;;
		fedora) column=1 install="dnf install" ;;
		opensuse*|suse) column=2 install="zypper install" ;;
		arch) column=3 install="pacman -S" ;;
		*) continue ;;
		esac
		return
	done
}

have()
{
	case $1 in
	/*) [ -e "$root$1" ] ;;
	busybox) "$here/../vm/host/static-busybox.sh" > /dev/null ;;
	*) command -v "$1" > /dev/null ;;
	esac
}

# Prints the arguments with commas between them.
list()
{
	local text

	printf -v text ', %s' "$@"
	echo "${text#, }"
}

# Sets missing, packages, and unpackaged (what is missing and in no package).
find_missing()
{
	local command what names package

	missing=() packages=() unpackaged=()
	while IFS='| ' read -r command what names; do
		[[ " $* " = *" $command "* ]] || continue
		! have "$what" || continue
		[ "$what" != busybox ] || what="a static busybox"
		missing+=("$what")
		IFS='| ' read -r -a names <<< "$names"
		package=${names[${column:-0}]}
		if [ "$package" = - ]; then
			unpackaged+=("$what")
		elif [[ " ${packages[*]} " != *" $package "* ]]; then
			packages+=("$package")
		fi
	done < "$here/programs.txt"
}

find_distribution
find_missing "$@"
[ ${#missing[@]} -gt 0 ] || exit 0
say "missing on this host: $(list "${missing[@]}")"
if [ -z "$column" ]; then
	say "install them with the package manager of $distribution;" \
		"Debian has them in: ${packages[*]}"
elif [ ${#packages[@]} -gt 0 ]; then
	say "as root: $install ${packages[*]}"
fi
[ ${#unpackaged[@]} = 0 ] ||
	say "$distribution has no package with $(list "${unpackaged[@]}"): see docs/hosts.md"
exit 1
