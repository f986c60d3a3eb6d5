#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# get-kernel.sh SERIES|VERSION
#
# Unpacks one of Debian's kernels, with the headers and the source, into a folder of the
# cache, and prints "VERSION FOLDER". The kernel is not installed; neither root nor dpkg
# is needed. SERIES is for example 7.3, VERSION 7.3.4+deb13-amd64; the newest kernel of a
# series is taken. The folder has
#   lib/modules/VERSION    vmlinuz, the modules, and "build", to build modules against
#   usr/src                the source tarball, linux-source-SERIES.tar.xz
#
# The packages come from
#   $PEERMEM_PACKAGES      a folder that has them, if this is set
#   apt-get download       else, from Debian's suites in $suites; about the mirror, see
#                          packaging/debian-mirror.sh
#   $PEERMEM_MIRROR        on a host without apt: the address of a mirror of Debian, see
#                          debian_packages.py
# A kernel that is in the cache is taken from there, without asking for a newer one.
#
# Environment: PEERMEM_CACHE is the cache (default: ~/.cache/peermem). PEERMEM_ARCH is the
# architecture, see arch.sh (default: amd64).

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
wanted=$1
cache=${PEERMEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peermem}
arch=${PEERMEM_ARCH:-amd64}
package_arch=${arch%%-*}
suites=(trixie trixie-security trixie-backports)

say()
{
	echo "kernel: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# --- versions ---------------------------------------------------------------

# Is $1 the version of a plain kernel (not -cloud, not -rt) that was asked for?
is_wanted()
{
	[[ $1 =~ ^[0-9.]+\+[^-]+-$arch$ ]] &&
		[[ $1 = "$wanted" || $1 = "$wanted".* ]]
}

# Reads names of files or packages, prints the newest wanted version among them.
newest_wanted()
{
	local name version

	while read -r name; do
		version=${name##*linux-headers-}
		version=${version%%_*}
		! is_wanted "$version" || echo "$version"
	done | sort -V | tail -n 1
}

# Prints the names of the packages of kernel $1, one in a line. From 7.x on, the image
# is in three packages.
package_names()
{
	local version=$1 base=${1%-"$arch"}

	echo "linux-headers-$version"
	echo "linux-headers-$base-common"
	echo "linux-kbuild-$base"
	echo "linux-source-$(grep -oE '^[0-9]+\.[0-9]+' <<< "$version")"
	if have_package "linux-modules-$version"; then
		echo "linux-modules-$version"
		echo "linux-binary-$version"
		echo "linux-base-$version"
	else
		echo "linux-image-$version"
	fi
}

# --- packages of a folder ----------------------------------------------------

folder_list()
{
	find -L "$PEERMEM_PACKAGES" -name 'linux-headers-*.deb' -printf '%f\n'
}

folder_have()
{
	compgen -G "$PEERMEM_PACKAGES/${1}_*.deb" > /dev/null
}

folder_get()
{
	local name files

	for name; do
		files=("$PEERMEM_PACKAGES/${name}"_*.deb)
		[ -e "${files[0]}" ] || die "$PEERMEM_PACKAGES has no package $name"
		ln -sf "$(realpath "${files[-1]}")" .
	done
}

# --- packages of apt ---------------------------------------------------------

# Writes a configuration of apt that has nothing of this system, and the sources.
apt_configure()
{
	mkdir -p "$apt"/{lists,archives}/partial
	: > "$apt/status"
	"$here/../packaging/debian-mirror.sh" "${suites[@]}" > "$apt/sources" || exit
	cat > "$apt/conf" <<- END
		Dir::State "$apt";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt";
		Dir::Etc::sourcelist "$apt/sources";
		Dir::Etc::sourceparts "-";
		APT::Architecture "$package_arch";
		APT::Architectures "$package_arch";
		APT::Sandbox::User "";
	END
}

apt_list()
{
	apt-cache pkgnames linux-headers-
}

apt_have()
{
	apt-cache show "$1" > /dev/null 2>&1
}

apt_get()
{
	apt-get -q download "$@" >&2 || die "cannot download $*"
}

apt_update()
{
	apt=$cache/apt-$package_arch
	apt_configure
	export APT_CONFIG=$apt/conf
	say "reading the package lists of Debian (${suites[*]})"
	apt-get -q update >&2 || die "cannot read the package lists"
}

# --- packages of a mirror, without apt ----------------------------------------

mirror_list()
{
	say "reading the package lists of Debian (${suites[*]})"
	debian_packages list "${suites[@]}"
}

mirror_have()
{
	debian_packages have "$1"
}

mirror_get()
{
	debian_packages get "$@" || exit
}

debian_packages()
{
	PEERMEM_ARCH=$package_arch "$here/debian_packages.py" \
		"$cache/mirror-$package_arch" "$@"
}

# Selects where packages come from: sets the prefix of the functions.
select_packages()
{
	if [ -n "${PEERMEM_PACKAGES-}" ]; then
		[ -d "$PEERMEM_PACKAGES" ] ||
			die "PEERMEM_PACKAGES: there is no folder $PEERMEM_PACKAGES"
		from=folder
	elif command -v apt-get > /dev/null; then
		from=apt
		apt_update
	elif [ -n "${PEERMEM_MIRROR-}" ] && command -v python3 > /dev/null; then
		from=mirror
	else
		die "no apt-get: set PEERMEM_PACKAGES to a folder with Debian's packages" \
			"of the kernel (linux-headers, -kbuild, -source, -image), or" \
			"PEERMEM_MIRROR to the address of a mirror of Debian (with python3)"
	fi
}

have_package()
{
	"${from}_have" "$1"
}

# --- unpacking ---------------------------------------------------------------

# Extracts package $1 into folder $2.
unpack()
{
	local member

	member=$(ar t "$1" | grep '^data\.tar') || die "${1##*/} is not a Debian package"
	case $member in
	*.xz) ar p "$1" "$member" | xz -dc ;;
	*.zst) ar p "$1" "$member" | zstd -dcq ;;
	*.gz) ar p "$1" "$member" | gzip -dc ;;
	*) ar p "$1" "$member" ;;
	esac | tar -x -C "$2" --exclude='./usr/share' || die "cannot unpack ${1##*/}"
}

# Creates the folder of kernel $1.
make_folder()
{
	local version=$1 new=$cache/kernel-$1.new names file

	rm -rf "$new"
	mkdir -p "$new/packages" "$new/usr/lib"
	ln -s usr/lib "$new/lib"
	mapfile -t names < <(package_names "$version")
	say "getting Linux $version: ${names[*]}"
	(cd "$new/packages" && "${from}_get" "${names[@]}")
	for file in "$new"/packages/*.deb; do
		unpack "$file" "$new"
	done
	rm -r "$new/packages"
	# Before 7.x.
	[ ! -f "$new/boot/vmlinuz-$version" ] ||
		mv "$new/boot/vmlinuz-$version" "$new/lib/modules/$version/vmlinuz"
	mv "$new" "$cache/kernel-$version"
}

# Prints the newest wanted version in the cache.
cached_version()
{
	local folder

	for folder in "$cache"/kernel-*-"$arch"; do
		echo "linux-headers-${folder##*/kernel-}"
	done | newest_wanted
}

mkdir -p "$cache"
exec {lock}> "$cache/kernel.lock"
flock "$lock"
version=$(cached_version)
if [ -z "$version" ]; then
	select_packages
	version=$("${from}_list" | newest_wanted)
	[ -n "$version" ] ||
		die "there is no kernel '$wanted' for $arch (a series such as 7.3, or a" \
			"version such as 7.3.4+deb13-$arch)"
	make_folder "$version"
fi
folder=$cache/kernel-$version
tarball=$(echo "$folder"/usr/src/linux-source-*.tar.xz)
"$here/kernel-tree.sh" "$folder" "$version" "$tarball" "$folder/build" >&2
ln -sfn ../../../../build "$folder/usr/lib/modules/$version/build"
echo "$version $folder"
