#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The program of docs/program.md, taken from there, does what the page says.
#
# usage: program_test.sh HEADERS         the folder with rdma/peer_vram.h

set -u

headers=$1
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
counter=/sys/kernel/mm/memory_peers/peer_vram/num_alloc_mrs

written()
{
	grep -c 'written to video memory, all right$' "$work/out"
}

# shellcheck disable=SC2016 # these are no commands
sed -n '/^```c$/,/^```$/ { /^```/d; p }' docs/program.md > "$work/vram.c"
tap_run "it compiles without a warning" gcc -Wall -Wextra -Werror \
	-I"$headers" "$work/vram.c" -o "$work/vram" -libverbs
for how in pinned odp dmabuf; do
	before=$(cat $counter)
	tap_run "$how" sh -c "$work/vram $how > $work/out"
	tap_is "$how: all three are right" "$(written)" 3
	tap_is "$how: it was peer memory" "$(cat $counter)" $((before + 1))
	# Of its three moves one goes where the object is already.
	stays=0
	[ $how != pinned ] || stays=2
	tap_is "$how: what cannot be moved" "$(grep -c busy "$work/out")" "$stays"
done
tap_done
