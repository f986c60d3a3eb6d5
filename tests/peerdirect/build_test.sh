#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What builds of PeerDirect clients look for is where they look, for this kernel;
# a client that is built with nothing else loads. So does the native one of
# docs/clients.md. What another RDMA stack has there stays.
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

# The search for both symbols, each as a whole column, exported whichever way.
# shellcheck disable=SC2317 # called by tap_run
has_symbols()
{
	local symbol

	for symbol in ib_register ib_unregister; do
		grep -q -e $'\t'"${symbol}_peer_memory_client"$'\t.*\tEXPORT_SYMBOL.*$' \
			"$1/Module.symvers" || return
	done
}

# In a copy, as in a package of its own; $1 says whether the search succeeded.
# shellcheck disable=SC2317 # called by tap_run
build_client()
{
	rm -rf "$work/client"
	cp -r "$here/ofa" "$work/client"
	make -s -C "$headers" M="$work/client" PEER_MEM_SYMBOLS="$1" \
		KBUILD_MODPOST_WARN='' modules > "$work/make.log" 2>&1 &&
		! grep -i -v 'Skipping BTF' "$work/make.log"
}

# ---- found ----

if ! install_to "$work/root"; then
	tap_fail "installs" "$(tail -n 5 "$work/install.log")"
	tap_done
fi
cp -a "$work/root$tree" "$tree"
for place in "$(uname -m)/$kernel" "$kernel" default; do
	tap_run "the symbols are found in $place" has_symbols "$tree/$place"
	tap_run "so is the header" test -s "$tree/$place/include/rdma/peer_mem.h"
done
tap_run "without them: a client is built" build_client n
tap_is "and cannot be loaded" \
	"$(insmod "$work/client/ofa_client.ko" 2>&1 | grep -o 'Invalid param.*')" \
	"Invalid parameters"
tap_run "with them: it is built, without a warning" build_client y
tap_is "it needs ib_peer_mem" \
	"$(modinfo -F depends "$work/client/ofa_client.ko")" ib_peer_mem
tap_run "it loads" insmod "$work/client/ofa_client.ko"
tap_is "it is a client" \
	"$(cat /sys/kernel/mm/memory_peers/ofa_client/version)" 1.0
tap_run "it goes" rmmod ofa_client

# ---- a native client ----

# Below whatever this build is to be installed.
native=$(find "$work/root" -type d -path '*/src/peermem')
native=${native#"$work/root"}
mkdir -p "$native"
cp -a "$work/root$native/." "$native"
cp -r examples/exporter "$work/exporter"
tap_run "the example of an exporter is built with what is installed" \
	make -s -C "$headers" M="$work/exporter" PEERMEM_INCLUDE="$native/include" \
	KBUILD_EXTRA_SYMBOLS="$native/Module.symvers" modules
tap_run "it loads" insmod "$work/exporter/peer_example.ko"
tap_is "it is a client" \
	"$(cat /sys/kernel/mm/memory_peers/peer_example/version)" 1.0
tap_run "it goes" rmmod peer_example

# ---- another RDMA stack ----

# Like one that was there before.
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
tap_run "installs beside another stack" install_to "$work/theirs"
tap_is "whose files stay" \
	"$(sums "$theirs" | grep -vF "./$kernel")" "$before"
tap_run "removing takes none of them" \
	packaging/ofa-kernel remove "$theirs" "$(uname -m)" "$kernel"
tap_is "they are still there" "$(sums "$theirs")" "$before"

# One that came after us.
theirs=$work/root$tree
echo theirs > "$theirs/$(uname -m)/$kernel/Module.symvers"
before=$(sums "$theirs" | grep -vF .peermem)
packaging/ofa-kernel remove "$theirs" "$(uname -m)" "$kernel"
tap_is "what was put in our place stays" "$(sums "$theirs")" "$before"

packaging/ofa-kernel remove "$tree" "$(uname -m)" "$kernel"
tap_run "ours is removed without a rest" test ! -e "$tree"
tap_done
