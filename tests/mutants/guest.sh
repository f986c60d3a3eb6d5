#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the tests of mutants in the guest, one after the other. The same test is run
# with the original modules before each mutant.
#
# usage: guest.sh LIST
#   A line of LIST has fields separated by tabs:
#   NAME SECONDS MODULES FILES COMMAND MUTANT
#   MODULES are the modules of the mutant. FILES are files that replace others, each as
#   FILE:OTHER. Both are separated by blanks; "-" means none. COMMAND is the test. MUTANT
#   is the same command for the mutant, which may use another ib_peer_mem.ko with
#   hold points.
#
# Prints, besides the output of the tests:
#   @begin NAME original|mutant
#   @warning LINE                a line of the kernel log
#   @end NAME original|mutant STATUS
#   @unusable NAME REASON        then exits: a new machine is needed

here=$(cd "$(dirname "$0")" && pwd)
vm=$here/../../vm/guest
rules=/run/modprobe.d/peermem.conf

# shellcheck source=../../vm/guest/unload.sh
. "$vm/unload.sh"

# Some tests bind devices to other drivers.
free_devices()
{
	local override name

	for override in /sys/bus/pci/devices/*/driver_override; do
		read -r name < "$override"
		[ "$name" = "(null)" ] || echo > "$override"
	done
}

# Unloads all modules of the project and of tests. Returns 0 on success.
unload()
{
	local module

	timeout 60 "$vm/rxe.sh" off || return
	for module in ib_peer_mem peer_test_mem peer_test_maps edu_rdma; do
		unload_with_users "$module" || return
	done
	free_devices
}

# prefer MODULE...: makes modprobe load these modules instead of those of the build.
prefer()
{
	local edit=() module

	for module in "$@"; do
		edit+=(-e "s|insmod [^ ]*/${module##*/}|insmod $module|")
	done
	sed "${edit[@]}" -e '' "$rules.original" > "$rules"
}

load()
{
	modprobe -a ib_peer_mem peer_vram && "$vm/rxe.sh" extended &&
		[ -e /dev/peer_vram0 ]
}

unusable()
{
	echo "@unusable $name $*"
	exit 0
}

# run_test WHICH COMMAND [MODULE...]
run_test()
{
	local status line

	unload > /dev/null 2>&1 || unusable "the modules cannot be unloaded"
	prefer "${@:3}"
	# with_holds.sh loads the modules.
	case $2 in
	*/with_holds.sh*) ;;
	*) load > /dev/null || unusable "the modules cannot be loaded" ;;
	esac
	dmesg --clear
	echo "$2" > /run/command
	echo "@begin $name $1"
	"$here/../tap.py" run --timeout "$seconds" /run/command 2>&1
	status=$?
	swapoff -a
	while read -r line; do
		echo "@warning ${line#*:}"
	done < <(dmesg | "$vm/../host/kernel_warnings.py")
	echo "@end $name $1 $status"
	[ -z "$line" ] || unusable "kernel warning"
}

# Replaces the link by a copy, because the original belongs to the build.
cp --remove-destination "$(readlink -f "$rules")" "$rules"
cp "$rules" "$rules.original"
while IFS=$'\t' read -r name seconds modules files command mutant <&3; do
	run_test original "$command" 3<&-
	IFS=' ' read -r -a words <<< "${modules#-}"
	IFS=' ' read -r -a binds <<< "${files#-}"
	for bind in "${binds[@]}"; do
		mount --bind "${bind%:*}" "${bind#*:}" ||
			unusable "$bind cannot be mounted"
	done
	run_test mutant "$mutant" "${words[@]}" 3<&-
	for bind in "${binds[@]}"; do
		umount -l "${bind#*:}"
	done
done 3< "$1"
