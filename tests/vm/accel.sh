# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Which accelerator the guest gets: KVM where it works, else emulation (TCG).
# Sourced by vm.sh.
#
# A /dev/kvm that exists may still be unable to run a distribution's kernel, so
# KVM is believed only after a short boot with it. What came out is kept in
# $VM_KERNEL_DIR/accel-BOOT, where BOOT is the host's boot id.

# Boots with KVM into the initrd; succeeds if the guest says so.
kvm_boots()
{
	local dir=$1 port="$1/status"

	mkdir "$dir/extra"
	echo VM_PROBE=1 > "$dir/extra/vm.conf"
	cp "$VM_HERE/init" "$dir/extra/init"
	chmod 755 "$dir/extra/init"
	cp "$VM_KERNEL_DIR/initrd" "$dir/initrd"
	(cd "$dir/extra" && find . | cpio --quiet -o -H newc -R 0:0) \
		>> "$dir/initrd"
	# The group: the shell says on stderr that a command was aborted.
	{
		timeout -k 1 10 qemu-system-x86_64 -nodefaults -no-user-config \
			-no-reboot -display none -machine q35 -accel kvm \
			-cpu host -m 512M -kernel "$VM_KERNEL_DIR/vmlinuz" \
			-initrd "$dir/initrd" -append "panic=-1" \
			-device virtio-serial-pci \
			-chardev "file,id=s,path=$port" \
			-device virtserialport,chardev=s,name=peermem.status \
			< /dev/null > /dev/null || :
	} 2> /dev/null
	[ -f "$port" ] && [ "$(< "$port")" = ready ]
}

kvm_works()
{
	local known dir answer=no

	[ -w /dev/kvm ] || return 1
	known=$VM_KERNEL_DIR/accel-$(< /proc/sys/kernel/random/boot_id)
	if [ ! -f "$known" ]; then
		vm_say "trying whether KVM works here"
		dir=$(mktemp -d "${TMPDIR:-/tmp}/peermem-vm.XXXXXX")
		! kvm_boots "$dir" || answer=yes
		rm -rf "$dir" "$VM_KERNEL_DIR"/accel-*
		echo $answer > "$known"
	fi
	[ "$(< "$known")" = yes ]
}

# Sets accel_name.
choose_accel()
{
	if [ -n "$icount" ]; then
		accel_name="emulation, counting instructions"
	elif kvm_works; then
		accel_name=KVM
	else
		accel_name=emulation
	fi
}

# Sets the array accel, and accel_boot, what the kernel must know of it.
#
# With a thread a processor, QEMU's translator may keep for good the int3 by which
# the kernel replaces code that other processors run, and the guest dies of it. Code
# of the scheduler is replaced whenever its clock turns out stable or not: once at
# boot (see lost_at_boot in vm.sh), and never after that if nobody doubts the TSC.
# shellcheck disable=SC2034,SC2054	# used by vm.sh; the commas are QEMU's
accel_options()
{
	accel_boot=()
	case $accel_name in
	KVM)
		accel=(-accel kvm -cpu host)
		;;
	emulation)
		# With erms the kernel copies and clears byte by byte.
		accel=(-accel "tcg,thread=multi,tb-size=512"
			-cpu "max,la57=off,erms=off")
		accel_boot=(tsc=reliable)
		;;
	*)
		accel=(-accel "tcg,thread=single,tb-size=512" -cpu "max,la57=off"
			-icount "shift=1,sleep=off"
			-rtc "base=2025-01-01,clock=vm")
		;;
	esac
}
