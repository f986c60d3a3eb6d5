#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Builds the Debian packages, installs them in a minimal system, uses them there,
# purges them, and checks that nothing is left.
#
# usage: package_test.sh FOLDER        folder for the packages

set -u

folder=$1
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/package/packages.sh
. tests/package/packages.sh
# shellcheck source=/dev/null
. /etc/os-release

# Besides those that docs/install.md installs.
more=(libpeermem-dev peermem-kernel-dev)

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT

inside()
{
	packaging/debian-system.sh run "$root" "$@" < /dev/null
}

# Prints the commands "# $1" of docs/install.md.
block()
{
	sed -n "/^# $1\$/,/^\`\`\`\$/{/^[#\`]/d; p}" docs/install.md
}

# Runs them, beside the folder build of the page.
follow()
{
	inside bash -ec "$(block "$1")"
}

# Creates a minimal system with the dependencies of the packages, and the headers of two
# kernels of one series. Nothing inside needs the network.
make_system()
{
	packaging/debian-system.sh make "$root" "$VERSION_CODENAME" \
		--include="dkms,gcc,libc6-dev,linux-source-6.12,patch,xz-utils" \
		--include="ibverbs-providers,libibverbs-dev,libjson-c5,libncursesw6,pkg-config" \
		--include="$(headers_package),$(older_headers_package)" || return
	mkdir -p "$root/build/package" "$root/packages"
	cp "$folder"/*.deb "$root/build/package/"
	echo 'APT::Get::Assume-Yes "true";' > "$root/etc/apt/apt.conf.d/yes"
	(cd "$root/packages" && apt-get -q download ibverbs-providers)
}

# The package that depends on the newest headers of Linux 6.12.
headers_package()
{
	case $VERSION_CODENAME in
	bookworm) echo linux-headers-6.12-amd64 ;;
	*) echo linux-headers-amd64 ;;
	esac
}

older_headers_package()
{
	apt-cache pkgnames linux-headers-6.12. |
		grep -xE 'linux-headers-6\.12\.[0-9.]+\+deb[0-9.]+-amd64' | sort -V | head -n 1
}

# Lists the files of the packages, by name.
ours()
{
	inside find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /packages \
		-o -path /build \) -prune -o \( -name '*peermem*' -o -name '*peer_vram*' \
		-o -name 'ib_peer_mem*' -o -name 'ofa_kernel*' -o -name 'rxe@*' \
		-o -name '*.distrib' \) -print
}

# fake_kernel VERSION CONFIG...: a kernel of which DKMS sees version and configuration.
fake_kernel()
{
	mkdir -p "$root/lib/modules/$1/build/include"
	printf 'CONFIG_%s\n' "${@:2}" > "$root/lib/modules/$1/build/.config"
}

# What DKMS does when the headers of a kernel are installed. Prints its exit status last.
install_headers()
{
	inside sh -c "/etc/kernel/header_postinst.d/dkms $1; echo \$?" 2>&1
}

build_packages "$folder"
if ! make_system > "$folder/system.log" 2>&1; then
	tap_fail "minimal system is created" "$(tail -n 5 "$folder/system.log")"
	tap_done
fi

librxe=$(cd "$root" && compgen -G 'usr/lib/*/libibverbs/librxe-rdmav*.so')
before=$(inside sha256sum "/$librxe")
ours > "$folder/before"
release=$(dpkg-query -W -f '${source:Upstream-Version}' libibverbs-dev)
provider_depends_on "$folder" "${release//./\\.}"
fake_kernel 6.12.1+cloud DRM_TTM=m
fake_kernel 6.12.1+rt RDMA_RXE=m DRM_TTM=m PREEMPT_RT=y
fake_kernel 7.3.1+new RDMA_RXE=m DRM_TTM=m
fake_kernel 6.1.1+old RDMA_RXE=m DRM_TTM=m
declare -A reasons=(
	[6.12.1+cloud]="it has no rdma_rxe"
	[6.12.1+rt]="real-time kernels are not supported"
	[7.3.1+new]="run: apt install linux-source-7.3"
	[6.1.1+old]="only 6.12 and 7.3 are supported"
)
tap_run "packages are installed" follow install
tap_run "packages for development are installed" \
	inside sh -c "cd /build/package && dpkg -i $(printf '%s_* ' "${more[@]}")"

mapfile -t versions < <(cd "$root/lib/modules" && printf '%s\n' 6.12.*-amd64 | sort -V)
tap_is "there are the headers of two kernels" "${#versions[@]}" 2
for version in "${versions[@]}"; do
	modules=/lib/modules/$version/updates/dkms
	for module in ib_peer_mem peer_vram ib_peer_bar peer_cmb peer_maps rdma_rxe; do
		tap_run "$module is built for $version" \
			compgen -G "$root$modules/$module.ko*"
	done
	tap_is "rdma_rxe of $version is the extended module" \
		"$(modinfo -F depends "$root$modules"/rdma_rxe.ko* | tr , '\n' |
			grep -x ib_peer_mem)" ib_peer_mem
done

for kernel in "${!reasons[@]}"; do
	output=$(install_headers "$kernel")
	tap_is "the headers of $kernel are installed" "${output##*$'\n'}" 0
	tap_run "it is said why there are no modules for it" \
		grep -F "peermem: no modules for $kernel: ${reasons[$kernel]}" <<< "$output"
done
rm -r "$root"/lib/modules/*+{cloud,rt,new,old}
older=${versions[0]}
tap_run "the modules of one kernel are removed" \
	inside sh -c "dkms remove \$(dkms status -k $older | cut -d, -f1) -k $older"
tap_is "the headers of $older are installed" "$(install_headers "$older" | tail -n 1)" 0
tap_run "the modules of $older are there again" \
	compgen -G "$root/lib/modules/$older/updates/dkms/rdma_rxe.ko*"

cp -r tests/peerdirect/ofa "$root/packages/client"
tap_run "a PeerDirect client builds with the installed header and symbols" \
	inside make -s -C "/usr/src/linux-headers-$version" M=/packages/client \
	PEER_MEM_SYMBOLS=y modules
tap_is "the client depends on ib_peer_mem" \
	"$(modinfo -F depends "$root/packages/client/ofa_client.ko")" ib_peer_mem
mkdir "$root/packages/exporter"
# shellcheck disable=SC2016	# these are patterns
sed -n '/^## A complete exporter$/,/^```$/ { /^```c$/,/^```$/ { /^```/d; p } }' \
	docs/exporter-guide.md > "$root/packages/exporter/bar_exporter.c"
# shellcheck disable=SC2016
sed -n '/^```make$/,/^```$/{/^include/p; /^obj-m/p}' docs/exporter-guide.md \
	> "$root/packages/exporter/Kbuild"
tap_run "the exporter of the guide builds with the makefile of the package" \
	inside make -s -C "/usr/src/linux-headers-$version" M=/packages/exporter modules
tap_is "the exporter depends on ib_peer_bar" \
	"$(modinfo -F depends "$root/packages/exporter/bar_exporter.ko")" ib_peer_bar
tap_is "provider is on" "$(inside peermem-provider status)" on
tap_run "the distribution's provider is updated" \
	inside sh -c 'dpkg -i /packages/ibverbs-providers_*.deb'
tap_is "provider is still on" "$(inside peermem-provider status)" on
inside peermem-provider off
tap_run "provider is installed again" \
	inside sh -c 'dpkg -i /build/package/peermem-provider_*.deb'
tap_is "provider stays off" "$(inside peermem-provider status)" off
inside peermem-provider on
cat > "$root/packages/program.c" << 'END'
#include <infiniband/peermem.h>
#include <infiniband/peermem_vram.h>
#include <rdma/peer_vram.h>
int main(void) { return !peermem_status_str(0) || peermem_close_vram(0); }
END
cat > "$root/packages/build" << 'END'
set -e
cd /packages
gcc program.c $(pkg-config --cflags --libs libpeermem)
./a.out
END
tap_run "a program compiles and runs" inside sh /packages/build
tap_run "the command peermem runs" inside peermem --help

tap_run "the doctor reports on the system" grep " ib_peer_mem " <<< "$(follow check 2>&1)"

tap_run "packages for development are purged" inside dpkg --purge "${more[@]}"
tap_run "packages are purged" follow remove
tap_is "nothing is left" "$(ours | diff "$folder/before" -)" ""
tap_is "the distribution's provider is restored" \
	"$(inside sha256sum "/$librxe")" \
	"$before"
tap_done
