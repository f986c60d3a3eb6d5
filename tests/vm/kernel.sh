# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The kernel of the guest: the one that the modules are built for. Sourced by vm.sh.
#
# The files are in $VM_CACHE (in the build folder), one folder for each version:
#   vmlinuz              the kernel
#   lib/modules/VERSION  its modules, with the indexes of depmod
#   initrd               busybox and the modules that the root file system needs
#   accel-*              whether KVM works, see accel.sh
# Each is created under another name and renamed, so that an existing one is
# complete.

# Modules for the root file system and the network card.
VM_INITRD_MODULES=(virtio_net 9pnet_virtio 9p overlay)

# Prints the version of the guest's kernel: the one in the build folder if it is
# configured, else the newest whose headers are installed.
vm_kernel_version()
{
	local version

	version=$(vm_build_variable PEERMEM_KERNEL)
	if [ -z "$version" ]; then
		version=$("$VM_PROJECT/cmake/installed-kernels.sh" | head -n 1)
	fi
	[ -n "$version" ] ||
		vm_die "no headers of a 6.12 kernel in /usr/src; run './run setup'"
	echo "$version"
}

# Prints the value of variable $1 of the build folder, or nothing.
vm_build_variable()
{
	[ ! -f "$VM_BUILD/CMakeCache.txt" ] ||
		sed -n "s/^$1:[A-Z]*=//p" "$VM_BUILD/CMakeCache.txt"
}

# Prints the root folder of a kernel that is not installed (debug, kcsan, or of
# cmake/get-kernel.sh), or nothing for an installed kernel.
vm_kernel_root()
{
	vm_build_variable PEERMEM_KERNEL_ROOT
}

# Prints the image of kernel $1, whose root folder is $2. Some distributions have it only
# beside the modules, as Debian from Linux 7.x on.
vm_image()
{
	local image

	for image in "$2/boot/vmlinuz-$1" "$2/lib/modules/$1/vmlinuz"; do
		if [ -f "$image" ]; then
			echo "$image"
			return
		fi
	done
	vm_die "the kernel $1 is not installed; run as root:" \
		"apt-get install linux-image-$1"
}

# Copies kernel $1 and its modules into folder $2, with hard links if possible (100
# MB). Other folders of /lib/modules/VERSION are left out: peermem may be installed
# there, and the guest must not load those modules.
vm_collect_kernel()
{
	local version=$1 into=$2 to=$2/lib/modules/$1 root image modules

	root=$(vm_kernel_root)
	image=$(vm_image "$version" "$root") || exit
	modules=$root/lib/modules/$version
	mkdir -p "$to" "$into/usr"
	# The depmod and the modprobe of some distributions search in usr/lib.
	ln -sfn ../lib "$into/usr/lib"
	cp "$image" "$into/vmlinuz"
	cp -al "$modules/kernel" "$to/" 2> /dev/null ||
		cp -a "$modules/kernel" "$to/"
	cp "$modules"/modules.{order,builtin,builtin.modinfo} "$to/"
	vm_say "indexing the modules of $version"
	depmod -b "$into" "$version"
}

# Links the headers of kernel $1 into folder $2, to build modules in the guest. Without
# headers there is no link.
vm_link_headers()
{
	local headers

	headers=$(realpath -qe "$(vm_kernel_root)/lib/modules/$1/build") || return 0
	ln -sfn "$headers" "$2/lib/modules/$1/build"
}

# Prints the module of file $1, which may be compressed.
vm_unpack_module()
{
	case $1 in
	*.ko.xz) xz -dc "$1" ;;
	*.ko.zst) zstd -dcq "$1" ;;
	*) cat "$1" ;;
	esac
}

# Creates the base initrd for the kernel in folder $2, version $1.
vm_make_initrd()
{
	local version=$1 kernel=$2 root path name module busybox

	busybox=$VM_ROOT/bin/busybox
	[ -n "$VM_ROOT" ] || busybox=$("$VM_HERE/static-busybox.sh") ||
		vm_die "no static busybox found: the initrd has no shared libraries." \
			"Install the package busybox-static or busybox"
	root=$kernel/initrd.root
	rm -rf "$root"
	mkdir -p "$root"/{bin,modules,proc,sys,dev}
	cp "$busybox" "$root/bin/busybox"
	for name in sh mount insmod cat cp mkdir rmdir chmod poweroff switch_root; do
		ln -s busybox "$root/bin/$name"
	done
	: > "$root/modules/order"
	for module in "${VM_INITRD_MODULES[@]}"; do
		modprobe -d "$kernel" -S "$version" -D "$module" |
			sed -n 's/^insmod //p'
	done | awk '!seen[$1]++ { print $1 }' | while read -r path; do
		name=$(basename "$path")
		name=${name%.ko*}.ko
		vm_unpack_module "$path" > "$root/modules/$name" ||
			vm_die "cannot unpack the module $path"
		echo "$name" >> "$root/modules/order"
	done
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) \
		> "$kernel/initrd.new"
	mv "$kernel/initrd.new" "$kernel/initrd"
	rm -r "$root"
}

# Creates what is missing in $VM_CACHE/VERSION, and sets VM_KERNEL_DIR.
vm_prepare_kernel()
{
	local version=$1 new

	VM_KERNEL_DIR=$VM_CACHE/$version
	mkdir -p "$VM_CACHE"
	exec {kernel_lock}> "$VM_CACHE/lock"
	flock "$kernel_lock"
	if [ ! -d "$VM_KERNEL_DIR" ]; then
		new=$VM_KERNEL_DIR.new
		rm -rf "$new"
		mkdir -p "$new"
		vm_collect_kernel "$version" "$new"
		mv "$new" "$VM_KERNEL_DIR"
	fi
	vm_link_headers "$version" "$VM_KERNEL_DIR"
	if [ ! -f "$VM_KERNEL_DIR/initrd" ] ||
			[ "${BASH_SOURCE[0]}" -nt "$VM_KERNEL_DIR/initrd" ]; then
		vm_make_initrd "$version" "$VM_KERNEL_DIR"
	fi
	exec {kernel_lock}>&-
}
