#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The demo passes on each release of Debian, on each series of kernels: on this system,
# and in the other release (in_debian.sh). Needs a mirror of Debian.

cd "$(dirname "$0")/../.." || exit
. tests/tap.sh
# shellcheck source=/dev/null
. /etc/os-release

case $VERSION_CODENAME in
trixie) other=bookworm ;;
*) other=trixie ;;
esac

# The end of the demo, which has the numbers, is shown also if it passes.
demo()
{
	local name=$1 output

	shift
	if output=$("$@" 2>&1); then
		tap_ok "$name"
		sed -n '/^Report:/,$s/^/# /p' <<< "$output"
	else
		tap_fail "$name" "$(tail -n 30 <<< "$output")"
	fi
}

demo "$VERSION_CODENAME, Linux 7.3" ./run demo --kernel 7.3
demo "$other, Linux 6.12" tests/releases/in_debian.sh --fresh $other demo
demo "$other, Linux 7.3" tests/releases/in_debian.sh $other demo --kernel 7.3
tap_done
