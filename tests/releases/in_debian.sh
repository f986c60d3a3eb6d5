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
system=$here/packaging/debian-system.sh
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}

say()
{
	echo "in_debian: $*" >&2
}

make_system()
{
	say "making a minimal Debian $release"
	"$system" make "$root.new" "$release"
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
mkdir -p "$cache"
[ -z "$fresh" ] || rm -rf --one-file-system "$root"
if [ ! -d "$root" ]; then
	rm -rf --one-file-system "$root.new"
	make_system
fi
copy_source
exec "$system" run "$root" /peermem/run "$@"
