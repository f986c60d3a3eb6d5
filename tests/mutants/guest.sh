#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs tests on mutants in the guest, one after the other, each after the same
# test on the modules as they are.
#
# usage: guest.sh LIST
#   A line of LIST, with tabs between: NAME SECONDS MODULES FILES COMMAND MUTANT.
#   MODULES are the mutant's, FILES are those that take the place of others, each as
#   FILE:OTHER; with blanks between, "-": none. COMMAND is the test, MUTANT the same on
#   the mutant: with another ib_peer_mem.ko that holds threads.
#
# Prints, beside what the tests print:
#   @begin NAME original|mutant
#   @warning LINE                of the kernel's log
#   @end NAME original|mutant STATUS
#   @spoilt NAME REASON          and ends: it takes a new machine to go on

here=$(cd "$(dirname "$0")" && pwd)
vm=$here/../vm
rules=/run/modprobe.d/peermem.conf

# shellcheck source=../vm/unload.sh
. "$vm/unload.sh"
# shellcheck source=../vm/complaints.sh
. "$vm/complaints.sh"

# Some tests bind devices to drivers of their own.
free_devices()
{
	local override name

	for override in /sys/bus/pci/devices/*/driver_override; do
		read -r name < "$override"
		[ "$name" = "(null)" ] || echo > "$override"
	done
}

# Nothing of ours is loaded when it returns 0.
unload()
{
	local module

	timeout 60 "$vm/rxe.sh" off || return
	for module in ib_peer_mem peer_test_mem peer_test_maps edu_rdma; do
		unload_with_users "$module" || return
	done
	free_devices
}

# prefer MODULE...: what modprobe takes instead of that of the build.
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

spoilt()
{
	echo "@spoilt $name $*"
	exit 0
}

# run_test WHICH COMMAND [MODULE...]
run_test()
{
	local status line

	unload > /dev/null 2>&1 || spoilt "the modules cannot be unloaded"
	prefer "${@:3}"
	# with_holds.sh loads by itself.
	case $2 in
	*/with_holds.sh*) ;;
	*) load > /dev/null || spoilt "the modules cannot be loaded" ;;
	esac
	dmesg --clear
	echo "$2" > /run/command
	echo "@begin $name $1"
	"$here/../tap.py" run --timeout "$seconds" /run/command 2>&1
	status=$?
	swapoff -a
	while read -r line; do
		echo "@warning ${line#*:}"
	done < <(dmesg | vm_complaints)
	echo "@end $name $1 $status"
	[ -z "$line" ] || spoilt "the kernel complained"
}

# A copy, for the original is not ours.
cp --remove-destination "$(readlink -f "$rules")" "$rules"
cp "$rules" "$rules.original"
while IFS=$'\t' read -r name seconds modules files command mutant <&3; do
	run_test original "$command" 3<&-
	IFS=' ' read -r -a words <<< "${modules#-}"
	IFS=' ' read -r -a binds <<< "${files#-}"
	for bind in "${binds[@]}"; do
		mount --bind "${bind%:*}" "${bind#*:}" ||
			spoilt "$bind cannot be mounted"
	done
	run_test mutant "$mutant" "${words[@]}" 3<&-
	for bind in "${binds[@]}"; do
		umount -l "${bind#*:}"
	done
done 3< "$1"
