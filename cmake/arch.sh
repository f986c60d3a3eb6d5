# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Architectures of the guest. Sourced by what builds its kernel, modules and programs, and
# by what runs it. The name of an architecture is the end of the version of Debian's
# kernels: amd64, arm64, or arm64-16k with pages of 16 KiB.

# Prints the architecture of kernel version $1. Kernels of tests/debug are amd64.
arch_of_kernel()
{
	case $1 in
	*-arm64-16k) echo arm64-16k ;;
	*-arm64) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

# Prints the architecture of Debian's packages for architecture $1.
arch_of_packages()
{
	echo "${1%%-*}"
}

# Prints the folder of the kernel source, in arch, for architecture $1.
arch_folder()
{
	case $1 in
	amd64) echo x86 ;;
	*) echo arm64 ;;
	esac
}

# Prints the arguments of make for kernel version $1: nothing, or for a cross build.
arch_make_options()
{
	case $(arch_of_kernel "$1") in
	amd64) ;;
	*) echo "ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-" ;;
	esac
}

# Prints the version of the kernel whose headers are in folder $1.
release_of()
{
	cat "$1/include/config/kernel.release"
}
