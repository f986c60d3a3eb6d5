# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Sourced in the guest.

# unload_with_users MODULE: first those that use it. Nothing to do if it is not
# loaded.
unload_with_users()
{
	local user

	for user in /sys/module/"$1"/holders/*; do
		[ ! -e "$user" ] || unload_with_users "${user##*/}" || return
	done
	[ ! -e "/sys/module/$1" ] || timeout 60 rmmod "$1"
}
