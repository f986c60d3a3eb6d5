#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# kernel.sh LANE TARBALL
#
# Builds the kernel of a lane ("debug" or "kcsan": LANE.config on top of
# machine.config) out of a kernel source tarball, unless that was done before,
# and prints its folder, which has
#   boot/vmlinuz-VERSION
#   lib/modules/VERSION    build in it is what modules are built against
#
# The folder is outside of the project, in $PEERMEM_CACHE (default: peermem in
# the user's cache folder), by a hash of all that goes in: what changes makes
# another one. A build that was interrupted goes on where it was.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
lane=$1
tarball=$2
fragments=("$here/machine.config" "$here/$lane.config")
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}

say()
{
	echo "$lane kernel: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# Runs make; shows how far it is, and what went wrong if it does.
run_make()
{
	local log=$work/log

	# shellcheck disable=SC2024
	if ! make -C "$work/source" -j "$(nproc)" "$@" 2>&1 < /dev/null |
			tee -a "$log" |
			awk -v lane="$lane" '/^  [A-Z]+ /{ if (++n % 250 == 0)
				print lane " kernel: " n " files"
				fflush() }' >&2; then
		tail -n 20 "$log" >&2
		die "make $* failed; the whole log is $log"
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

# Every line of the fragments is in the configuration, or the kernel would be
# another one than asked for.
configure()
{
	local missing

	[ ! -f "$work/configured" ] || return 0
	run_make tinyconfig
	(cd "$work/source" && scripts/kconfig/merge_config.sh -m .config \
		"${fragments[@]}") >> "$work/log" 2>&1
	run_make olddefconfig
	missing=$(grep -hE '^(CONFIG_|# CONFIG_)' "${fragments[@]}" | sort |
		comm -23 - <(sort "$work/source/.config") |
		while read -r line; do
			# What does not exist at all is not set either.
			case $line in
			'# CONFIG_'*) grep -q "^${line:2:-11}=" \
				"$work/source/.config" || continue ;;
			esac
			echo "$line"
		done)
	[ -z "$missing" ] || die "the configuration lacks: ${missing//$'\n'/ }"
	touch "$work/configured"
}

# A tree to build modules against needs no objects of the kernel.
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
	say "building; on two processors it takes ten minutes or more, once"
	run_make "${options[@]}" bzImage modules
	version=$(< "$work/source/include/config/kernel.release")
	mkdir -p "$work/boot"
	cp "$work/source/arch/x86/boot/bzImage" "$work/boot/vmlinuz-$version"
	run_make modules_install INSTALL_MOD_PATH="$work" DEPMOD=true
	ln -sfn ../../../source "$work/lib/modules/$version/build"
	prune
}

options=()
# The races looked for are those of our modules. Without this, the kernel would
# report its own, and take three times as long for all it does.
[ "$lane" != kcsan ] || options=(KCSAN_SANITIZE=n)
key=$(cat "$tarball" "${fragments[@]}" "${BASH_SOURCE[0]}" | sha256sum)
folder=$cache/$lane-${key:0:16}
work=$folder.new
mkdir -p "$cache"
exec {lock}> "$folder.lock"
flock "$lock"
if [ ! -d "$folder" ]; then
	mkdir -p "$work"
	build
	mv "$work" "$folder"
	say "it is in $folder"
fi
echo "$folder"
