#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The program of docs/library.md, taken from there, compiles and does what the
# page says.
#
# usage: library_test.sh LIBRARY         the folder with libpeermem.so

set -u

library=$1
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The block of the page that begins with the program's name.
awk '/^```/ { on = 0 } on || /^\/\* place\.c/ { on = 1; print }' \
	docs/library.md > "$work/place.c"

# shellcheck disable=SC2317 # called by tap_run
build()
{
	gcc -Wall -Wextra -Werror -Iinclude/uapi -Iinclude "$work/place.c" \
		-o "$work/place" -L"$library" -lpeermem -libverbs
}

tap_run "it compiles without a warning" build
export LD_LIBRARY_PATH=$library
tap_is "it does what it says" "$("$work/place" 2>&1)" \
	"$(awk '/^```/ { on = 0 } on { print } /\$ .\/place$/ { on = 1 }' \
		docs/library.md)"
sed -i 's/ |= IBV_ACCESS_ON_DEMAND/ = ACCESS/' "$work/place.c"
tap_run "a pinned one compiles" build
tap_is "it is not to be evicted" "$("$work/place" 2>&1 > /dev/null)" \
	"place: peermem_evict_bo: Device or resource busy"
tap_done
