#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# in_debian.sh [--fresh] RELEASE COMMAND...
#
# Runs a command of ./run in another Debian: a minimal system of RELEASE (bookworm or
# trixie), in the cache. The system is made when it is missing, or with --fresh anew. It
# gets a copy of the source folder, without the build folder; what it builds and installs
# stays there, and makes the next call faster. Exit status: that of ./run.
#
# Needs root and mmdebstrap. Environment: PEERMEM_CACHE, PEERMEM_MIRROR.

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}

say()
{
	echo "in_debian: $*" >&2
}

make_system()
{
	say "making a minimal Debian $release"
	"$here/packaging/debian-mirror.sh" "$release" "$release-updates" \
		"$release-security" > "$root.sources"
	# The machine that runs this may have packages of its own in its apt configuration.
	mmdebstrap --quiet --variant=minbase "$release" "$root.new" - < "$root.sources" >&2
	mv "$root.new" "$root"
}

copy_source()
{
	mkdir -p "$root/peermem"
	(cd "$root/peermem" && find . -mindepth 1 -maxdepth 1 ! -name build -exec rm -r {} +)
	(cd "$here" && git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' file; do
			[ ! -f "$file" ] || printf '%s\0' "$file"
		done | tar -c --null -T -) | tar -x -C "$root/peermem"
}

# Mounts what a system needs, in a mount namespace of its own.
enter()
{
	mount -t proc proc "$root/proc"
	mount --rbind --make-rslave /dev "$root/dev"
	mount --rbind --make-rslave /sys "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root USER=root TERM="${TERM-dumb}" LANG=C.UTF-8 \
		PEERMEM_MIRROR="${PEERMEM_MIRROR-}" /peermem/run "$@"
}

fresh=
if [ "${1-}" = --fresh ]; then
	fresh=1
	shift
fi
if [ $# -lt 2 ]; then
	echo "usage: in_debian.sh [--fresh] bookworm|trixie COMMAND..." >&2
	exit 2
fi
release=$1
root=$cache/debian-$release
shift
if [ -z "${PEERMEM_UNSHARED-}" ]; then
	mkdir -p "$cache"
	[ -z "$fresh" ] || rm -rf --one-file-system "$root" "$root.new"
	[ -d "$root" ] || make_system
	copy_source
	PEERMEM_UNSHARED=1 exec unshare --mount "$0" "$release" "$@"
fi
enter "$@"
