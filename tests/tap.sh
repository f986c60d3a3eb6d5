# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# TAP for tests written in bash; source it. End with tap_done.
#
#   tap_ok NAME             a point that passed
#   tap_fail NAME [TEXT]    one that failed; TEXT is shown as comment
#   tap_skip NAME REASON
#   tap_is NAME GOT WANT    passes if the two are equal
#   tap_run NAME COMMAND... passes if COMMAND exits 0; shows its output if not
#   tap_skip_all REASON     ends the program

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
