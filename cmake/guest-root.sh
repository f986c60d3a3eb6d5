#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# guest-root.sh ARCH
#
# Makes the root file system of a guest of another architecture in the cache, and prints
# its folder. It has the programs that the guest runs, and the headers and libraries that
# programs for it are built with. The packages are extracted, but not configured, because
# their scripts would be programs of that architecture. A folder that is complete is taken
# from the cache.
#
# The release is that of this Debian, or trixie: its C library must not be older than that
# of the cross compiler. Needs mmdebstrap, and a mirror (packaging/debian-system.sh).
#
# Environment: PEERMEM_CACHE is the cache (default: ~/.cache/peermem).

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=arch.sh
. "$here/arch.sh"
arch=$(arch_of_packages "$1")
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}
packages=(
	# the system
	base-files base-passwd bash busybox-static coreutils dash diffutils e2fsprogs
	findutils gawk grep hostname iproute2 kmod libc-bin mawk mount ncurses-base ncurses-bin
	netbase perl-base procps psmisc python3-minimal sed tar util-linux
	# programs of RDMA
	ibverbs-providers ibverbs-utils libfabric-bin openmpi-bin perftest python3-pyverbs
	rdma-core rdmacm-utils ucx-utils
	# modules of tests
	python3-jsonschema python3-pyte
	# to build with, on the host and in the guest
	cmake gcc libc6-dev libfabric-dev libibverbs-dev libjson-c-dev libncurses-dev
	libopenmpi-dev librdmacm-dev libucx-dev pkg-config
)

# Prints the name of the release to take.
release()
(
	# shellcheck source=/dev/null
	. /etc/os-release
	[ "${ID-}" = debian ] && echo "$VERSION_CODENAME" || echo trixie
)

# Does what the scripts of packages would do in folder $1: users, and the names of
# programs that several packages have.
configure()
{
	cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
	cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
	[ -e "$1/usr/bin/awk" ] || ln -s mawk "$1/usr/bin/awk"
	[ -e "$1/usr/bin/cc" ] || ln -s gcc "$1/usr/bin/cc"
	# Links to libraries that begin at the root would lead out of this folder. Without
	# libtinfo.so, CMake takes libtinfo.a, and a program has two copies of its state.
	find "$1/usr/lib" -name '*.so' -type l -lname '/*' -printf '%p %l\n' |
		while read -r link target; do
			ln -sfr "$1$target" "$link"
		done
	mkdir -p "$1"/{lib/modules,run,sys,proc,dev,tmp}
}

release=$(release)
key=$(sha256sum "$0" | cut -c 1-16)
root=$cache/guest-$arch-$release-$key
mkdir -p "$cache"
exec {lock}> "$cache/guest-$arch.lock"
flock "$lock"
if [ ! -d "$root" ]; then
	echo "guest-root: making a root file system of Debian $release for $arch" >&2
	rm -rf --one-file-system "$root.new"
	"$here/../packaging/debian-system.sh" make "$root.new" "$release" \
		--variant=extract --architectures="$arch" --include="${packages[*]}"
	configure "$root.new"
	mv "$root.new" "$root"
fi
echo "$root"
