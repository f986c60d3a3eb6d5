#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Builds of PeerDirect clients find the installed symbols and headers in the usual
# places, and such a client can be loaded. So can the exporter of
# docs/exporter-guide.md. Files of another RDMA stack are not changed.
#
# usage: build_test.sh BUILD HEADERS, in the guest

build=$1 headers=$2
kernel=$(uname -r)
tree=/usr/src/ofa_kernel
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install_to()
{
	env DESTDIR="$1" cmake --install "$build" > "$work/install.log"
}

# Searches both symbols, as whole columns, with any kind of EXPORT_SYMBOL.
# shellcheck disable=SC2317 # called by tap_run
has_symbols()
{
	local symbol

	for symbol in ib_register ib_unregister; do
		grep -q -e $'\t'"${symbol}_peer_memory_client"$'\t.*\tEXPORT_SYMBOL.*$' \
			"$1/Module.symvers" || return
	done
}

# Builds a copy of the client. $1: y or n, whether the symbols were found.
# shellcheck disable=SC2317 # called by tap_run
build_client()
{
	rm -rf "$work/client"
	cp -r "$here/ofa" "$work/client"
	make -s -C "$headers" M="$work/client" PEER_MEM_SYMBOLS="$1" \
		KBUILD_MODPOST_WARN='' modules > "$work/make.log" 2>&1 &&
		! grep -i -v 'Skipping BTF' "$work/make.log"
}

# ---- a PeerDirect client ----

if ! install_to "$work/root"; then
	tap_fail "install" "$(tail -n 5 "$work/install.log")"
	tap_done
fi
cp -a "$work/root$tree" "$tree"
for place in "$(uname -m)/$kernel" "$kernel" default; do
	tap_run "symbols are in $place" has_symbols "$tree/$place"
	tap_run "header is in $place" test -s "$tree/$place/include/rdma/peer_mem.h"
done
tap_run "client without symbols is built" build_client n
tap_is "client without symbols cannot be loaded" \
	"$(insmod "$work/client/ofa_client.ko" 2>&1 | grep -o 'Invalid param.*')" \
	"Invalid parameters"
tap_run "client with symbols is built without warnings" build_client y
tap_is "client depends on ib_peer_mem" \
	"$(modinfo -F depends "$work/client/ofa_client.ko")" ib_peer_mem
tap_run "load client" insmod "$work/client/ofa_client.ko"
tap_is "client is registered" \
	"$(cat /sys/kernel/mm/memory_peers/ofa_client/version)" 1.0
tap_run "unload client" rmmod ofa_client

# ---- an exporter ----

# The prefix depends on the configuration of the build.
native=$(find "$work/root" -type d -path '*/src/peermem')
native=${native#"$work/root"}
mkdir -p "$native"
cp -a "$work/root$native/." "$native"
cp -r examples/exporter "$work/exporter"
tap_run "example of an exporter is built with the installed files" \
	make -s -C "$headers" M="$work/exporter" PEERMEM_INCLUDE="$native/include" \
	KBUILD_EXTRA_SYMBOLS="$native/Module.symvers" modules
tap_run "load exporter" insmod "$work/exporter/peer_example.ko"
tap_is "exporter is registered" \
	"$(cat /sys/kernel/mm/memory_peers/peer_example/version)" 1.0
tap_run "unload exporter" rmmod peer_example

# ---- another RDMA stack ----

# A stack that was installed before.
theirs=$work/theirs$tree
mkdir -p "$theirs/$(uname -m)/$kernel/include" "$theirs/default"
echo theirs | tee "$theirs/$(uname -m)/$kernel/Module.symvers" \
	> "$theirs/default/Module.symvers"
sums()
{
	(cd "$1" && find . \( -type f -exec sha256sum {} + \) -o -type l -print) |
		sort
}
before=$(sums "$theirs")
tap_run "install beside another stack" install_to "$work/theirs"
tap_is "installation keeps its files" \
	"$(sums "$theirs" | grep -vF "./$kernel")" "$before"
tap_run "remove beside another stack" \
	packaging/ofa-kernel remove "$theirs" "$(uname -m)" "$kernel"
tap_is "removal keeps its files" "$(sums "$theirs")" "$before"

# A stack that was installed later and replaced a file.
theirs=$work/root$tree
echo theirs > "$theirs/$(uname -m)/$kernel/Module.symvers"
before=$(sums "$theirs" | grep -vF .peermem)
packaging/ofa-kernel remove "$theirs" "$(uname -m)" "$kernel"
tap_is "removal keeps a replaced file" "$(sums "$theirs")" "$before"

packaging/ofa-kernel remove "$tree" "$(uname -m)" "$kernel"
tap_run "removal without another stack leaves nothing" test ! -e "$tree"
tap_done
