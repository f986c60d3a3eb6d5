# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The guest's kernel, from the distribution's package: unpacked, not installed.
# Sourced by vm.sh.
#
# Everything goes to $VM_CACHE (in the build folder), one folder a version:
#   vmlinuz              the kernel
#   lib/modules/VERSION  its modules, with depmod's indexes
#   initrd               busybox and the modules that the root file system needs
#   accel-*              which accelerator works, see accel.sh
# Each is made under another name and renamed, so that what exists is whole.

# Modules on the way to the root file system, and the network card.
VM_INITRD_MODULES=(virtio_net 9pnet_virtio 9p overlay)

# Version of the guest's kernel: that of the build if there is one, else the
# newest whose headers are installed.
vm_kernel_version()
{
	local cache=$VM_BUILD/CMakeCache.txt version

	if [ -f "$cache" ]; then
		version=$(sed -n 's/^PEERMEM_KERNEL:[A-Z]*=//p' "$cache")
	fi
	if [ -z "${version-}" ]; then
		version=$(find /usr/src -maxdepth 1 -name 'linux-headers-6.12.*-amd64' |
			sed 's,.*/linux-headers-,,' | sort -V | tail -n 1)
	fi
	[ -n "$version" ] ||
		vm_die "no kernel headers found; run './run setup' first"
	echo "$version"
}

# Unpacks the package of kernel $1 into folder $2.
vm_unpack_kernel()
{
	local version=$1 into=$2 package

	package=linux-image-$version
	mkdir -p "$into/deb"
	vm_say "fetching the package $package"
	if ! (cd "$into/deb" && apt-get -q download "$package") \
			> "$into/deb/log" 2>&1; then
		cat "$into/deb/log" >&2
		vm_die "cannot download $package; is apt's package list current?"
	fi
	vm_say "unpacking it"
	dpkg-deb -x "$into"/deb/*.deb "$into/root"
	rm -r "$into/deb"
}

# Modules of kernel $1 at $2: linked or copied from an installed kernel, or
# from the package.
vm_collect_kernel()
{
	local version=$1 into=$2 from

	from=
	if [ ! -f "/boot/vmlinuz-$version" ] ||
			[ ! -d "/lib/modules/$version/kernel" ]; then
		vm_unpack_kernel "$version" "$into"
		from=$into/root
	fi
	mkdir -p "$into/lib/modules/$version"
	cp "$from/boot/vmlinuz-$version" "$into/vmlinuz"
	cp -al "$from/lib/modules/$version/kernel" \
		"$into/lib/modules/$version/" 2> /dev/null ||
		cp -a "$from/lib/modules/$version/kernel" \
			"$into/lib/modules/$version/"
	cp "$from/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} \
		"$into/lib/modules/$version/"
	rm -rf "$into/root"
	vm_say "indexing the modules of $version"
	depmod -b "$into" "$version"
}

# Base initrd for the kernel in folder $2, version $1.
vm_make_initrd()
{
	local version=$1 kernel=$2 root path name module

	root=$kernel/initrd.root
	rm -rf "$root"
	mkdir -p "$root"/{bin,modules,proc,sys,dev}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in sh mount umount insmod cat cp mkdir chmod poweroff \
			switch_root; do
		ln -s busybox "$root/bin/$name"
	done
	: > "$root/modules/order"
	for module in "${VM_INITRD_MODULES[@]}"; do
		modprobe -d "$kernel" -S "$version" -D "$module" |
			sed -n 's/^insmod //p'
	done | awk '!seen[$1]++ { print $1 }' | while read -r path; do
		name=$(basename "${path%.xz}")
		if [ "$path" = "${path%.xz}" ]; then
			cp "$path" "$root/modules/$name"
		else
			xz -dc "$path" > "$root/modules/$name"
		fi
		echo "$name" >> "$root/modules/order"
	done
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) \
		> "$kernel/initrd.new"
	mv "$kernel/initrd.new" "$kernel/initrd"
	rm -r "$root"
}

# Makes $VM_CACHE/VERSION complete and sets VM_KERNEL_DIR.
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
	if [ ! -f "$VM_KERNEL_DIR/initrd" ] ||
			[ "${BASH_SOURCE[0]}" -nt "$VM_KERNEL_DIR/initrd" ]; then
		vm_make_initrd "$version" "$VM_KERNEL_DIR"
	fi
	exec {kernel_lock}>&-
}
