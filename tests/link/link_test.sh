#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Two virtual machines on a private network. The tests run in the first, and tell
# the second what to do. A processor each: they are busy at the same time.
#
# usage: link_test.sh VM RESULTS

set -u

vm=$1 results=$2
here=$(cd "$(dirname "$0")" && pwd)
link=$(mktemp -d "${TMPDIR:-/tmp}/peermem-link.XXXXXX")

"$vm" --smp 1 --link "$link:2" --timeout 900 --keep "$results/second" -- \
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

"$vm" --smp 1 --link "$link:1" --timeout 900 --keep "$results/first" -- \
	"$here/link_test.py"
status=$?
if [ $status = 0 ]; then
	# Of the second machine, too, the kernel must have no complaint.
	wait "$second"
	status=$?
	[ $status = 0 ] || echo "# the second machine ended with $status"
fi
exit $status
