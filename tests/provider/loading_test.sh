#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Which librxe a program gets: the overlay or the distribution's, by environment,
# by configuration, by diversion; and that the overlay steps aside, and says so,
# in a process with a libibverbs that it was not made for.
#
# usage: loading_test.sh BUILD CALLS, in the guest; CALLS is the program of
# calls.c

build=$1 calls=$2
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

overlay="advise 0, rereg 0, asked 111"
stock="advise 95, rereg 95, asked 000"

ours=$(echo "$build"/provider/librxe-rdmav*.so)
libdir=$(pkg-config --variable=libdir libibverbs)
place=$libdir/libibverbs/${ours##*/}
release=$(basename "$(realpath "$libdir/libibverbs.so.1")")
said="librxe: peermem's provider is made for $release, not for"

# The same library under a name that does not tell its release.
other=$(mktemp -d)
cp "$libdir/libibverbs.so.1" "$other/"

provider()
{
	/usr/sbin/peermem-provider "$@" 2>&1
}

# shellcheck disable=SC2317	# called by tap_run
is_stock_file()
{
	[ "$(sha256sum < "$1")" = "$sum" ]
}

# ---- from the build folder ----

tap_is "the guest's configuration: the overlay" "$("$calls" 2>&1)" "$overlay"
tap_is "RDMAV_DRIVERS=rxe: the distribution's" \
	"$(RDMAV_DRIVERS=rxe "$calls" 2>&1)" "$stock"
umount /etc/libibverbs.d
tap_is "the distribution's configuration: the distribution's" \
	"$("$calls" 2>&1)" "$stock"
tap_is "RDMAV_DRIVERS=path: the overlay" \
	"$(RDMAV_DRIVERS=${ours%-rdmav*} "$calls" 2>&1)" "$overlay"
tap_is "with another libibverbs: it says so, and the distribution's serves" \
	"$(RDMAV_DRIVERS=${ours%-rdmav*} LD_LIBRARY_PATH=$other "$calls" 2>&1 |
		cut -d: -f1-2)" \
	"$said $other/libibverbs.so.1
$stock"
tap_is "it exports nothing" "$(nm -D --defined-only "$ours")" ""

# ---- installed ----

sum=$(sha256sum < "$place")
tap_run "installs" cmake --install "$build" --component provider
tap_is "installed: off at first" "$(provider status)" off
tap_is "installed: the distribution's as yet" "$("$calls" 2>&1)" "$stock"
tap_is "on" "$(provider on)" ""
tap_is "on: status" "$(provider status)" on
tap_is "on: the overlay" "$("$calls" 2>&1)" "$overlay"
tap_is "on, again" "$(provider on; provider status)" on
tap_run "on: the distribution's file is kept" is_stock_file "$place.distrib"
tap_is "on: dpkg knows" "$(dpkg-divert --truename "$place")" "$place.distrib"
tap_is "on, with another libibverbs: the distribution's, from beside it" \
	"$(LD_LIBRARY_PATH=$other "$calls" 2>&1 | sed "s/^$said .*/said/")" \
	"said
$stock"
tap_is "off" "$(provider off)" ""
tap_is "off: status" "$(provider status)" off
tap_is "off: the distribution's" "$("$calls" 2>&1)" "$stock"
tap_run "off: it is the very file" is_stock_file "$place"
tap_is "off: dpkg has forgotten" "$(dpkg-divert --truename "$place")" "$place"
tap_is "off, again" "$(provider off; provider status)" off

rm "$libdir/peermem/${ours##*/}"
tap_is "on, but not installed: refused" "$(provider on)" \
	"peermem-provider: $libdir/peermem/${ours##*/} is not installed"
tap_is "and nothing happened" "$(provider status; "$calls" 2>&1)" \
	"off
$stock"
tap_is "usage" "$(provider; echo $?)" \
	"usage: peermem-provider on|off|status
2"
rm -r "$other"
tap_done
