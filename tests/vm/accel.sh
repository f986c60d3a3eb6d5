# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Selects the accelerator of the guest: KVM if it works, else emulation (TCG).
# Sourced by vm.sh.
#
# Even if /dev/kvm exists, KVM may be unable to boot a distribution kernel. So KVM
# is used only after a short test boot, which prints nothing. The result is kept in the
# file $VM_KERNEL_DIR/accel-BOOT, where BOOT is the boot id of the host.

# Boots with KVM into the initrd. Succeeds if the guest reports "ready".
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
	# The braces redirect the shell's own message about an aborted command.
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
	local known dir result=no

	[ "$VM_ARCH" = amd64 ] && [ -w /dev/kvm ] || return 1
	known=$VM_KERNEL_DIR/accel-$(< /proc/sys/kernel/random/boot_id)
	if [ ! -f "$known" ]; then
		dir=$(mktemp -d "${TMPDIR:-/tmp}/peermem-vm.XXXXXX")
		! kvm_boots "$dir" || result=yes
		rm -rf "$dir" "$VM_KERNEL_DIR"/accel-*
		echo $result > "$known"
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

# Sets the array accel (QEMU options) and accel_boot (kernel parameters for them).
#
# To patch code that other processors may execute, the kernel temporarily writes an
# int3 instruction. With one thread per processor, QEMU's translator may keep that
# int3 forever, and the guest crashes. The kernel patches scheduler code when it
# finds that its clock is stable or unstable. This happens once at boot (see
# lost_at_boot in vm.sh), and not again with tsc=reliable.
# shellcheck disable=SC2034,SC2054	# used by vm.sh; the commas are QEMU's
accel_options()
{
	accel_boot=()
	case $accel_name in
	KVM)
		accel=(-accel kvm -cpu host)
		;;
	emulation)
		accel=(-accel "tcg,thread=multi,tb-size=512" -cpu "$(emulated_cpu)")
		[ "$VM_ARCH" != amd64 ] || accel_boot=(tsc=reliable)
		;;
	*)
		accel=(-accel "tcg,thread=single,tb-size=512" -cpu "$(emulated_cpu)"
			-icount "shift=1,sleep=off"
			-rtc "base=2025-01-01,clock=vm")
		;;
	esac
}

# Prints the processor to emulate. With erms, the kernel copies and clears single bytes,
# which is slow if time counts, not instructions. The architected algorithm of pointer
# authentication is slow, too.
emulated_cpu()
{
	case $VM_ARCH$icount in
	amd64) echo max,la57=off,erms=off ;;
	amd64*) echo max,la57=off ;;
	*) echo max,pauth-impdef=on ;;
	esac
}
