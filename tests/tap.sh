# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# TAP output for tests written in bash. Sourced. The last call is tap_done.
#
#   tap_ok NAME             a test case that passed
#   tap_fail NAME [TEXT]    a test case that failed; TEXT is printed as comment
#   tap_skip NAME REASON    a test case that was skipped
#   tap_is NAME GOT WANT    passes if GOT and WANT are equal
#   tap_run NAME COMMAND... passes if COMMAND exits 0, else prints its output
#   tap_skip_all REASON     skips the whole program and ends it
#   tap_done                prints the plan and ends the program

tap_points=0
tap_failures=0

tap_ok()
{
	echo "ok $((++tap_points)) - $1"
}

tap_fail()
{
	echo "not ok $((++tap_points)) - $1"
	: $((++tap_failures))
	[ -z "${2-}" ] || echo "${2//$'\n'/$'\n'# }" | sed '1s/^/# /'
}

tap_skip()
{
	echo "ok $((++tap_points)) - $1 # SKIP $2"
}

tap_is()
{
	if [ "$2" = "$3" ]; then
		tap_ok "$1"
	else
		tap_fail "$1" "got '$2', want '$3'"
	fi
}

tap_run()
{
	local name=$1 output

	shift
	if output=$("$@" 2>&1); then
		tap_ok "$name"
	else
		tap_fail "$name" "$output"
	fi
}

tap_skip_all()
{
	echo "1..0 # SKIP $1"
	exit 4
}

tap_done()
{
	echo "1..$tap_points"
	[ "$tap_failures" = 0 ]
	exit
}
