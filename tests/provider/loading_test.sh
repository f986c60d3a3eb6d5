#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Which librxe a program loads: the overlay or the distribution's, by environment, by
# configuration, and by diversion. With another libibverbs than that of the build, the
# overlay prints a message and loads the distribution's.
#
# usage: loading_test.sh BUILD OPS_REPORT, in the guest; OPS_REPORT is the program of
# ops_report.c

build=$1 ops_report=$2
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

overlay="advise 0, rereg 0, kernel calls 111"
stock="advise 95, rereg 95, kernel calls 000"

ours=$(echo "$build"/provider/librxe-rdmav*.so)
libdir=$(pkg-config --variable=libdir libibverbs)
place=$libdir/libibverbs/${ours##*/}
release=$(basename "$(realpath "$libdir/libibverbs.so.1")")
message="librxe: the peermem provider was built for $release, not for"

# The same library under a name without the release.
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

tap_is "the guest's configuration: the overlay" "$("$ops_report" 2>&1)" "$overlay"
tap_is "RDMAV_DRIVERS=rxe: the distribution's" \
	"$(RDMAV_DRIVERS=rxe "$ops_report" 2>&1)" "$stock"
umount /etc/libibverbs.d
tap_is "the distribution's configuration: the distribution's" \
	"$("$ops_report" 2>&1)" "$stock"
tap_is "RDMAV_DRIVERS=path: the overlay" \
	"$(RDMAV_DRIVERS=${ours%-rdmav*} "$ops_report" 2>&1)" "$overlay"
tap_is "another libibverbs: a message and the distribution's" \
	"$(RDMAV_DRIVERS=${ours%-rdmav*} LD_LIBRARY_PATH=$other "$ops_report" 2>&1 |
		cut -d: -f1-2)" \
	"$message $other/libibverbs.so.1
$stock"
tap_is "the overlay exports no symbols" "$(nm -D --defined-only "$ours")" ""

# ---- installed ----

sum=$(sha256sum < "$place")
tap_run "installs" cmake --install "$build" --component provider
tap_is "installed: off at first" "$(provider status)" off
tap_is "installed: still the distribution's" "$("$ops_report" 2>&1)" "$stock"
tap_is "on" "$(provider on)" ""
tap_is "on: status" "$(provider status)" on
tap_is "on: the overlay" "$("$ops_report" 2>&1)" "$overlay"
tap_is "on, again" "$(provider on; provider status)" on
tap_run "on: the distribution's file is kept" is_stock_file "$place.distrib"
tap_is "on: dpkg has a diversion" "$(dpkg-divert --truename "$place")" "$place.distrib"
tap_is "on, another libibverbs: the diverted file" \
	"$(LD_LIBRARY_PATH=$other "$ops_report" 2>&1 | sed "s/^$message .*/message/")" \
	"message
$stock"
tap_is "off" "$(provider off)" ""
tap_is "off: status" "$(provider status)" off
tap_is "off: the distribution's" "$("$ops_report" 2>&1)" "$stock"
tap_run "off: the file is unchanged" is_stock_file "$place"
tap_is "off: dpkg has no diversion" "$(dpkg-divert --truename "$place")" "$place"
tap_is "off, again" "$(provider off; provider status)" off
tap_is "off: an update of the package" \
	"$(provider package-removed; provider package-installed; provider status)" off
tap_is "on: an update of the package" \
	"$(provider on; provider package-removed; provider status
	provider package-installed; provider status; provider off)" "off
on"

rm "$libdir/peermem/${ours##*/}"
tap_is "on, but not installed: an error" "$(provider on)" \
	"peermem-provider: $libdir/peermem/${ours##*/} is not installed"
tap_is "on, but not installed: nothing changes" "$(provider status; "$ops_report" 2>&1)" \
	"off
$stock"
tap_is "usage" "$(provider; echo $?)" \
	"usage: peermem-provider on|off|status
2"
rm -r "$other"
tap_done
