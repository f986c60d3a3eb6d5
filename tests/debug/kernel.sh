#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# kernel.sh CONFIG TARBALL
#
# Builds the kernel of a kernel configuration (debug or kcsan) from a kernel source
# tarball, with the options of machine.config and CONFIG.config, and with those of
# older.config that this kernel has. Does nothing if it exists. Prints its root folder,
# which has
#   boot/vmlinuz-VERSION
#   lib/modules/VERSION    its link "build" is the tree to build modules against
#
# The folder is outside of the project: in $PEERMEM_CACHE (default: ~/.cache/peermem).
# Its name contains a hash of the tarball, the option files and this script, so a
# change of one of them builds another kernel. An interrupted build is continued.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
config=$1
tarball=$2
fragments=("$here/machine.config" "$here/$config.config")
older=$here/older.config
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}

say()
{
	echo "$config kernel: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# Runs make. Prints its progress, and the end of its output if it fails.
run_make()
{
	local log=$work/log

	# shellcheck disable=SC2024
	if ! make -C "$work/source" -j "$(nproc)" "$@" 2>&1 < /dev/null |
			tee -a "$log" |
			awk -v config="$config" '/^  [A-Z]+ /{ if (++n % 250 == 0)
				print config " kernel: " n " files"
				fflush() }' >&2; then
		tail -n 20 "$log" >&2
		die "make $* failed; the complete log is $log"
	fi
}

extract()
{
	[ ! -f "$work/extracted" ] || return 0
	say "unpacking $tarball"
	rm -rf "$work/source"
	mkdir "$work/source"
	tar -xf "$tarball" -C "$work/source" --strip-components=1 ||
		die "$tarball is not a kernel source tarball"
	touch "$work/extracted"
}

# Prints the lines of older.config whose option this kernel has.
older_options()
{
	local line option

	grep '^CONFIG_' "$older" | while read -r line; do
		option=${line#CONFIG_}
		! grep -rqsE --include='Kconfig*' "^[[:space:]]*config ${option%=*}$" \
			"$work/source" || echo "$line"
	done
}

# Configures the kernel. Fails if an option of the fragments is not set as
# requested.
configure()
{
	local missing

	[ ! -f "$work/configured" ] || return 0
	run_make tinyconfig
	older_options > "$work/older"
	fragments+=("$work/older")
	(cd "$work/source" && scripts/kconfig/merge_config.sh -m .config \
		"${fragments[@]}") >> "$work/log" 2>&1
	run_make olddefconfig
	missing=$(grep -hE '^(CONFIG_|# CONFIG_)' "${fragments[@]}" | sort |
		comm -23 - <(sort "$work/source/.config") |
		while read -r line; do
			# "is not set" also holds if the option does not exist.
			case $line in
			'# CONFIG_'*) grep -q "^${line:2:-11}=" \
				"$work/source/.config" || continue ;;
			esac
			echo "$line"
		done)
	[ -z "$missing" ] ||
		die "the kernel does not accept these options: ${missing//$'\n'/ }"
	touch "$work/configured"
}

# Removes the object files: modules can be built without them.
prune()
{
	find "$work/source" \( -path '*/scripts' -o -path '*/tools' \) -prune -o \
		-type f \( -name '*.o' -o -name '*.a' -o -name '*.cmd' \
		-o -name '*.ko' -o -name 'vmlinux*' \) -not -name vmlinux.lds \
		-not -name vmlinux.symvers -exec rm {} +
}

build()
{
	local version

	extract
	configure
	say "building; this takes ten minutes or more on two processors, once"
	run_make "${options[@]}" bzImage modules
	version=$(< "$work/source/include/config/kernel.release")
	mkdir -p "$work/boot"
	cp "$work/source/arch/x86/boot/bzImage" "$work/boot/vmlinuz-$version"
	run_make modules_install INSTALL_MOD_PATH="$work" DEPMOD=true
	ln -sfn ../../../source "$work/lib/modules/$version/build"
	prune
}

options=()
# Instrument only modules. Otherwise KCSAN would also report races of the kernel
# itself, and the kernel would be slower by a factor of three.
[ "$config" != kcsan ] || options=(KCSAN_SANITIZE=n)
key=$(cat "$tarball" "${fragments[@]}" "$older" "${BASH_SOURCE[0]}" | sha256sum)
folder=$cache/$config-${key:0:16}
work=$folder.new
mkdir -p "$cache"
exec {lock}> "$folder.lock"
flock "$lock"
if [ ! -d "$folder" ]; then
	mkdir -p "$work"
	build
	mv "$work" "$folder"
	say "built in $folder"
fi
echo "$folder"
