#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# peermem-exporter-test finds faults: copies of the example exporter have one fault each
# (folder faults), and the test case that the head of the fault names fails with it. It
# passes with the example.
#
# A module may stay loaded: some faults prevent that it is unloaded.
#
# usage: faulty_test.sh BUILD [FAULT...], in the guest

set -u

build=$1
shift
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/exporter/kit.sh
. tests/exporter/kit.sh

kit=$build/tests/exporter/peermem-exporter-test
example=$build/examples/exporter/peer_example.ko
declare -A passed=()

# run_case TEST EXPORTER MODULE: sets result to "ok TEST" or "not ok TEST", and reason to the
# first expectation that failed.
run_case()
{
	local kit_arguments output

	kit_example "$2" "$3"
	output=$("$kit" "${kit_arguments[@]}" -r "$1" 2>&1)
	result=$(sed -nE 's/^((not )?ok) 1 /\1 /p' <<< "$output")
	reason=$(sed -nE 's/^# .*\/(.*:Expected.*)/\1/p' <<< "$output" | head -n 1)
}

# The test case passes with the example.
check_example()
{
	[ -z "${passed[$1]-}" ] || return 0
	passed[$1]=1
	run_case "$1" peer_example "$example"
	tap_is "the example passes $1" "$result" "ok $1"
}

check_fault()
{
	local fault=$1 test name module

	test=$(sed -n 's/^# Test: //p' "tests/exporter/faults/$fault.sed")
	name=faulty_${fault//-/_}
	module=$build/tests/exporter/faulty/$name.ko
	check_example "$test"
	tap_run "load $name" insmod "$module"
	run_case "$test" "$name" "$module"
	tap_is "$test finds: $fault" "$result" "not ok $test"
	echo "# $reason"
	rmmod "$name" 2> /dev/null
}

if [ $# = 0 ]; then
	set -- tests/exporter/faults/*.sed
	set -- "${@##*/}"
	set -- "${@%.sed}"
fi
tap_run "load the example" insmod "$example"
for fault; do
	check_fault "$fault"
done
tap_run "unload the example" rmmod peer_example
tap_done
