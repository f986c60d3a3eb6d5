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
# shellcheck source=/dev/null
. /etc/os-release

packages=(
	peermem-dkms peermem-provider libpeermem1 libpeermem-dev peermem-tools
)

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT

inside()
{
	packaging/debian-system.sh run "$root" "$@" < /dev/null
}

# Creates a minimal system with the dependencies of the packages. dpkg -i fails if a
# dependency is missing. Nothing inside needs the network.
make_system()
{
	packaging/debian-system.sh make "$root" "$VERSION_CODENAME" \
		--include="dkms,gcc,libc6-dev,linux-source-6.12,patch,xz-utils" \
		--include="ibverbs-providers,libibverbs-dev,libjson-c5,libncursesw6,pkg-config" \
		--include="$(headers_package)" || return
	mkdir "$root/packages"
	cp "$folder"/*.deb "$root/packages/"
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

# Lists the files of the packages, by name.
ours()
{
	inside find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /packages \) \
		-prune -o \( -name '*peermem*' -o -name '*peer_vram*' \
		-o -name 'ib_peer_mem*' -o -name 'ofa_kernel*' \
		-o -name '*.distrib' \) -print
}

tap_run "packages are built" packaging/package.sh "$folder"
# For root, lintian says that root is not recommended.
tap_is "lintian finds nothing" \
	"$(lintian --allow-root "$folder"/*.changes 2>&1 | grep '^[EW]:')" ""
if ! make_system > "$folder/system.log" 2>&1; then
	tap_fail "minimal system is created" "$(tail -n 5 "$folder/system.log")"
	tap_done
fi

librxe=$(cd "$root" && compgen -G 'usr/lib/*/libibverbs/librxe-rdmav*.so')
before=$(inside sha256sum "/$librxe")
ours > "$folder/before"
release=$(dpkg-query -W -f '${source:Upstream-Version}' libibverbs-dev)
tap_run "provider depends on the rdma-core release that it was built from" \
	grep -F "libibverbs1 (>= $release), libibverbs1 (<< $release+~)" \
	<(dpkg-deb -f "$folder"/peermem-provider_*.deb Depends)
tap_run "packages are installed" \
	inside sh -c "cd /packages && dpkg -i $(printf '%s_* ' "${packages[@]}")"

version=$(basename "$root"/lib/modules/6.12.*)
modules=/lib/modules/$version/updates/dkms
for module in ib_peer_mem peer_vram ib_peer_bar peer_cmb peer_maps rdma_rxe; do
	tap_run "$module is built for $version" \
		compgen -G "$root$modules/$module.ko*"
done
tap_is "rdma_rxe is the extended module" \
	"$(modinfo -F depends "$root$modules"/rdma_rxe.ko* | tr , '\n' |
		grep -x ib_peer_mem)" ib_peer_mem
cp -r tests/peerdirect/ofa "$root/packages/client"
tap_run "a PeerDirect client builds with the installed header and symbols" \
	inside make -s -C "/usr/src/linux-headers-$version" M=/packages/client \
	PEER_MEM_SYMBOLS=y modules
tap_is "the client depends on ib_peer_mem" \
	"$(modinfo -F depends "$root/packages/client/ofa_client.ko")" ib_peer_mem
tap_is "provider is on" "$(inside peermem-provider status)" on
tap_run "the distribution's provider is updated" \
	inside sh -c 'dpkg -i /packages/ibverbs-providers_*.deb'
tap_is "provider is still on" "$(inside peermem-provider status)" on
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

tap_run "packages are purged" inside dpkg --purge \
	"${packages[@]}"
tap_is "nothing is left" "$(ours | diff "$folder/before" -)" ""
tap_is "the distribution's provider is restored" \
	"$(inside sha256sum "/$librxe")" \
	"$before"
tap_done
