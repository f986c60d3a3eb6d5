# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs peermem-exporter-test from tests in bash. Sourced, after tap.sh.

# kit_run NAME PROGRAM ARGUMENT...: runs the kit, or a command that does. Its test cases
# become test cases "NAME: ..." of this program, and so do its end and their number.
kit_run()
{
	local name=$1 line planned='' n=0 status
	local point='^(not )?ok [0-9]+ (- )?([^# ]+) *(# SKIP (.*))?$'

	shift
	exec {kit_output}< <("$@"; echo "exit status $?")
	while IFS= read -r line; do
		if [[ $line =~ $point ]]; then
			: $((++n))
			kit_point "$name: ${BASH_REMATCH[3]}" "${BASH_REMATCH[1]}" \
				"${BASH_REMATCH[5]}"
		elif [[ $line =~ ^1\.\.([0-9]+)$ ]]; then
			planned=${BASH_REMATCH[1]}
		elif [[ $line = "exit status "* ]]; then
			status=${line##* }
		else
			echo "# ${line#\# }"
		fi
	done <&"$kit_output"
	exec {kit_output}<&-
	tap_is "$name: all test cases were run, and the exit status is 0" \
		"$n, $status" "${planned:-no plan}, 0"
}

# kit_point NAME FAILED REASON: a test case of the kit.
kit_point()
{
	if [ -n "$2" ]; then
		tap_fail "$1"
	elif [ -n "$3" ]; then
		tap_skip "$1" "$3"
	else
		tap_ok "$1"
	fi
}

# kit_example NAME MODULE: sets kit_arguments for an exporter NAME, of file MODULE, that is
# made from the example.
kit_example()
{
	# shellcheck disable=SC2034	# the caller uses it
	kit_arguments=(--exporter "$1" --move "echo move >&3" --revoke "echo revoke >&3"
		--unload "rmmod $1" --load "insmod $2" "/dev/$1")
}
