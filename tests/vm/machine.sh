# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Composes the command line of QEMU: the devices of the machine, which tests rely on.
# Sourced by vm.sh.
# shellcheck disable=SC2154	# vm.sh sets these variables

add_port()
{
	qemu+=(-chardev "file,id=$1,path=$fifos/$1"
		-device "virtserialport,chardev=$1,name=peermem.$1")
}

# Connects QEMU's monitor (QMP) to a port of the guest: tests plug and unplug
# devices.
# shellcheck disable=SC2054	# the commas are QEMU's
add_monitor()
{
	qemu+=(-chardev "socket,id=qmp,path=$fifos/qmp,server=on,wait=off"
		-mon chardev=qmp,mode=control
		-chardev "socket,id=monitor,path=$fifos/qmp"
		-device virtserialport,chardev=monitor,name=peermem.monitor)
}

# Sets the array net: a network without peers, or one with the other machine of
# --link. Packets are lost until the other machine has started. IPv6 is off, because QEMU
# would announce a prefix: the guest's address in it sometimes took the GID index of the
# IPv4 address (rxe.sh).
# shellcheck disable=SC2054	# the commas are QEMU's
compose_network()
{
	local folder=${link%:*} mac=52:54:00:12:34:5$machine_number

	net=(-netdev "user,id=net0,restrict=on,ipv6=off")
	if [ -n "$link" ]; then
		mkdir -p "$folder"
		net=(-netdev "dgram,id=net0,local.type=unix,remote.type=unix,\
local.path=$folder/$machine_number,remote.path=$folder/$((3 - machine_number))")
	fi
	net+=(-device "virtio-net-pci,netdev=net0,mac=$mac")
}

# Adds the NVMe controllers besides the one that can be unplugged. tests/cmb relies
# on their order. The disk of the legacy one has an error at 7 MiB.
# shellcheck disable=SC2054	# the commas are QEMU's
add_other_nvme()
{
	local broken=file.driver=blkdebug,file.image.driver=file

	broken+=,file.inject-error.0.event=none,file.inject-error.0.sector=14336
	qemu+=(-blockdev "raw,node-name=old,$broken,file.image.filename=$fifos/nvme-old"
		-device nvme,serial=old,drive=old,cmb_size_mb=2,legacy-cmb=on,\
physical_block_size=4096,logical_block_size=4096
		-device nvme,serial=diskless,cmb_size_mb=1
		-device nvme,serial=bufferless)
}

# Adds the PCI buses "bay" and "bench", at the host bridge or below a switch. Below
# the switch, "bench" is behind one more port, because the ports of QEMU's switch
# have no access control services (ACS).
# shellcheck disable=SC2054	# the commas are QEMU's
add_ports()
{
	if [ -z "$switch" ]; then
		qemu+=(-device pcie-root-port,id=bay,chassis=1)
		bench=pcie.0
		return
	fi
	qemu+=(-device pcie-root-port,id=above,chassis=2
		-device x3130-upstream,id=switch,bus=above
		-device xio3130-downstream,id=bay,bus=switch,chassis=1
		-device xio3130-downstream,id=below,bus=switch,chassis=3,slot=1
		-device pcie-root-port,id=bench,bus=below,chassis=4)
	bench=bench
}

# Sets what depends on the architecture: program, machine, console, and the arrays parts
# (options of QEMU) and append (parameters of the kernel).
# shellcheck disable=SC2054	# the commas are QEMU's
choose_amd64()
{
	program=qemu-system-x86_64 machine=q35 console=ttyS0
	# Native PCI Express hot-plug: all kernel configurations have it.
	parts=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off)
	[ -n "$iommu" ] || return 0
	machine+=,kernel-irqchip=split
	parts+=(-device intel-iommu,intremap=on,caching-mode=on)
	append+=(intel_iommu=on)
}

choose_arm64()
{
	program=qemu-system-aarch64 machine=virt,gic-version=3 console=ttyAMA0
	parts=()
	[ -z "$iommu" ] || machine+=,iommu=smmuv3
}

# Adds the file systems of init, and the ports.
# shellcheck disable=SC2054	# the commas are QEMU's
add_files()
{
	local shared=security_model=none,readonly=on,multidevs=remap

	qemu+=(-virtfs "local,path=${VM_ROOT:-/},mount_tag=root,id=root,$shared"
		-virtfs "local,path=$dir/out,mount_tag=out,security_model=none,id=out")
	[ -z "$VM_ROOT" ] ||
		qemu+=(-virtfs "local,path=/,mount_tag=host,id=host,$shared")
	qemu+=(-device virtio-serial-pci)
	add_port status
	if [ -n "$VM_TTY" ]; then
		qemu+=(-echr 0x1d -device virtconsole,chardev=tty
			-chardev stdio,id=tty,mux=on,signal=off)
	else
		add_port out
		add_port err
	fi
}

# Adds the devices that tests use.
# shellcheck disable=SC2054	# the commas are QEMU's
add_devices()
{
	local bench backend=memory-backend-ram

	# A file is slow: the host writes it back to its disk all the time.
	[ -z "$vram" ] || backend="memory-backend-file,mem-path=${vram//,/,,},share=on"
	qemu+=(-object "$backend,id=vram,size=256M"
		-device ivshmem-plain,memdev=vram
		-blockdev "raw,node-name=disk,file.driver=file,file.filename=$fifos/nvme")
	add_ports
	qemu+=(-device nvme,id=nvme,bus=bay,serial=peermem,drive=disk,cmb_size_mb=64
		-device "edu,bus=$bench,dma_mask=0xffffffffffffffff")
	add_other_nvme
}

# Sets the array qemu to the command line.
# shellcheck disable=SC2054	# the commas are QEMU's
compose_machine()
{
	local program machine console parts append=(net.ifnames=0 panic=-1 oops=panic
		mitigations=off init_on_alloc=0 audit=0 lsm=lockdown watchdog_thresh=60
		rcupdate.rcu_cpu_stall_timeout=120 random.trust_cpu=on printk.devkmsg=on)

	"choose_$VM_ARCH"
	# strict: unmapped memory is inaccessible immediately.
	[ -z "$iommu" ] || append+=(iommu.strict=1)
	accel_options
	append+=("console=$console" "${accel_boot[@]}")
	qemu=("$program" -name peermem -nodefaults -no-user-config
		-no-reboot -display none -monitor none -machine "$machine"
		-m "$mem" -smp "$smp" -kernel "$VM_KERNEL_DIR/vmlinuz"
		-initrd "$fifos/initrd" "${accel[@]}" "${parts[@]}"
		-serial "file:$dir/kernel.log")
	add_files
	add_devices
	add_monitor
	compose_network
	qemu+=("${net[@]}" -append "${append[*]}")
}
