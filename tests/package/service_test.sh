#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# rxe@.service: what systemd would run for a network interface, without systemd.

# shellcheck disable=SC2317	# tap_run calls the functions

set -u

cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh

unit=packaging/rxe@.service
interface=peer-test0

# Runs the command of line $1 of the unit for the interface.
run_line()
{
	local line

	line=$(sed -n "s/^$1=-\?//p" "$unit")
	sh -c "${line//%I/$interface}"
}

exists()
{
	[ -e "/sys/class/infiniband/rxe_$interface" ]
}

gone()
{
	! exists
}

start_fails()
{
	! run_line ExecStart
}

if command -v systemd-analyze > /dev/null; then
	tap_is "systemd accepts the unit" \
		"$(systemd-analyze --man=no verify "$PWD/packaging/rxe@lo.service" 2>&1)" ""
else
	tap_skip "systemd accepts the unit" "there is no systemd-analyze"
fi
tap_run "an interface is created" ip link add $interface type dummy
tap_run "start" run_line ExecStart
tap_run "the device is there" exists
tap_is "it belongs to the interface" \
	"$(cat /sys/class/infiniband/rxe_$interface/parent)" $interface
tap_run "stop" run_line ExecStop
tap_run "the device is gone" gone
tap_run "start again" run_line ExecStart
tap_run "the interface is removed" ip link delete $interface
tap_run "the device is gone with it" gone
tap_run "there is no start without the interface" start_fails
tap_done
