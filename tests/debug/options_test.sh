#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The running kernel has every option that was asked for: some depend on others,
# and are left out without a word. Runs in the guest, where starting a program
# takes a while, so it starts hardly any.
# usage: options_test.sh FRAGMENT

here=$(cd "${0%/*}" && pwd)
# shellcheck source=../tap.sh
. "$here/../tap.sh"

declare -A options
while IFS='=' read -r name value; do
	[[ $name != CONFIG_* ]] || options[$name]=$value
done < <(zcat /proc/config.gz)
[ ${#options[@]} -gt 0 ] || tap_skip_all "the kernel tells no options"

# Prints the lines of the fragment that do not hold.
missing()
{
	local name value

	while IFS='=' read -r name value; do
		case $name in
		CONFIG_*)
			[ "${options[$name]-}" = "$value" ] ||
				echo "$name=$value"
			;;
		'# CONFIG_'*' is not set')
			name=${name#\# } name=${name% is not set}
			[ -z "${options[$name]-}" ] || echo "no $name"
			;;
		esac
	done < "$1"
}

tap_is "the kernel has what was asked for" "$(missing "$1")" ""
tap_is "KASAN is there" "${options[CONFIG_KASAN]}" y
# It stops at its first report.
tap_run "lockdep is at work" grep -Eq '^ *debug_locks: +1$' /proc/lockdep_stats
tap_run "kmemleak is at work" test -w /sys/kernel/debug/kmemleak
tap_done
