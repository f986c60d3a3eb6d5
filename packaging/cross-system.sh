#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# cross-system.sh ARCH FOLDER COMMAND...
#
# Runs a command in folder /work of a minimal Debian that has what packages for ARCH are
# cross-built with. FOLDER is /work there. The system has the release of this Debian, and
# is made in the cache at the first call. The libraries of ARCH are installed in it beside
# its own, which the packages of this host may not allow.
#
# Needs root and mmdebstrap. Environment: PEERMEM_CACHE, PEERMEM_MIRROR.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}
if [ "$(id -u)" != 0 ]; then
	echo "package: packages for another architecture need root; use sudo" >&2
	exit 1
fi
arch=$1
folder=$2
shift 2
# shellcheck source=/dev/null
. /etc/os-release

make_system()
{
	local build packages=(
		build-essential cmake debhelper dh-dkms dpkg-dev ninja-build python3
		"crossbuild-essential-$arch" "libc6-dev:$arch" "libibverbs-dev:$arch"
		"libjson-c-dev:$arch" "libncurses-dev:$arch" "pkg-config:$arch"
	)

	build=$(dpkg --print-architecture)
	echo "package: making a minimal Debian $VERSION_CODENAME for $arch" >&2
	rm -rf --one-file-system "$root.new"
	"$here/debian-system.sh" make "$root.new" "$VERSION_CODENAME" \
		--architectures="$build,$arch" --include="${packages[*]}"
	mkdir "$root.new/work"
	mv "$root.new" "$root"
}

root=$cache/cross-$arch-$VERSION_CODENAME-$(sha256sum "$0" | cut -c 1-16)
mkdir -p "$cache"
exec {lock}> "$cache/cross-$arch.lock"
flock "$lock"
[ -d "$root" ] || make_system
exec {lock}>&-
exec "$here/debian-system.sh" run --bind "$folder:/work" "$root" env -C /work "$@" \
	< /dev/null
