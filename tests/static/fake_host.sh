# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Hosts of other distributions, for tests: an os-release, files, and a PATH of programs
# that do nothing. Sourced in the folder of the project, after tap.sh. Sets $work, a
# folder that is removed at the end.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# ctest and the user may have set some.
unset "${!PEERMEM_@}"
export PEERMEM_HOST_ROOT=$work/root

# What the scripts under test run, apart from the programs in packaging/programs.txt.
host_tools=(bash basename cat chmod comm cut dirname env find flock grep head id ln ls
	mkdir mktemp mv paste realpath rm sed sh sort tail tar touch tr)

# Creates programs in the PATH of the host. They run the commands in $body.
stub()
{
	local name

	for name; do
		rm -f "$work/bin/$name"
		printf '#!/bin/bash\n%s\n' "${body-}" > "$work/bin/$name"
		chmod 755 "$work/bin/$name"
	done
}

# Runs a command with the programs of the host only.
on_host()
{
	env PATH="$work/bin" "$@" 2>&1
}

# Prints the rows of programs.txt for the given commands, without blanks.
rows()
{
	sed 's/ *| */|/g' packaging/programs.txt | grep -E "^($(IFS='|'; echo "$*"))\|"
}

# Prints the packages in the given lists of ./run.
lists()
{
	(
		# shellcheck source=/dev/null
		. <(sed '/^main "\$@"; exit$/d' run)
		PEERMEM_HOST_ROOT='' list_packages "$@"
	)
}

# Creates a host that has all programs and files of programs.txt: $work/all.
make_all()
{
	local what tools programs=() files=()

	while IFS='|' read -r _ what _; do
		case $what in
		/*) files+=("$work/all/root$what") ;;
		*) programs+=("$work/all/bin/$what") ;;
		esac
	done < <(rows build vm debug)
	mapfile -t tools < <(type -P "${host_tools[@]}")
	mkdir -p "$work/all"/{bin,root/etc} "${files[@]%/*}"
	touch "${files[@]}"
	ln -s "${tools[@]}" "$work/all/bin/"
	echo '#!/bin/bash' | tee "${programs[@]}" > /dev/null
	chmod 755 "${programs[@]}"
}

# new_host ID [ID_LIKE]: a copy of that host, of this distribution
new_host()
{
	[ -d "$work/all" ] || make_all
	rm -rf "${work:?}"/{root,bin}
	cp -r "$work/all"/{bin,root} "$work/"
	printf '%s\n' 'NAME="Some Linux"' "ID=\"$1\"" "ID_LIKE=\"${2-}\"" \
		> "$work/root/etc/os-release"
}
