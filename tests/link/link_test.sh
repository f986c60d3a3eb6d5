#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Starts two virtual machines on a private network. link_test.py runs in machine 1
# and sends commands to machine 2. Each has one processor, because both are busy at
# the same time.
#
# usage: link_test.sh VM RESULTS
#   VM       tests/vm/vm.sh
#   RESULTS  folder for the results of both machines

set -u

vm=$1 results=$2
here=$(cd "$(dirname "$0")" && pwd)
link=$(mktemp -d "${TMPDIR:-/tmp}/peermem-link.XXXXXX")

"$vm" --smp 1 --link "$link:2" --timeout 900 --results "$results/second" -- \
	"$here/remote.py" serve >&2 &
second=$!

# shellcheck disable=SC2317	# called by trap
cleanup()
{
	kill "$second" 2> /dev/null
	wait "$second"
	rm -rf "$link"
}
trap cleanup EXIT

"$vm" --smp 1 --link "$link:1" --timeout 900 --results "$results/first" -- \
	"$here/link_test.py"
status=$?
if [ $status = 0 ]; then
	# Machine 2 must have no kernel warnings either.
	wait "$second"
	status=$?
	[ $status = 0 ] || echo "# machine 2: exit status $status"
fi
exit $status
