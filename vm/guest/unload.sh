# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unloads modules in the guest. Sourced.

# unload_with_users MODULE: unloads the modules that use MODULE, then MODULE. Does
# nothing if it is not loaded.
unload_with_users()
{
	local user

	for user in /sys/module/"$1"/holders/*; do
		[ ! -e "$user" ] || unload_with_users "${user##*/}" || return
	done
	[ ! -e "/sys/module/$1" ] || timeout 60 rmmod "$1"
}
