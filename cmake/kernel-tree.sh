#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# kernel-tree.sh ROOT VERSION TARBALL FOLDER
#
# Makes FOLDER, with which modules can be built for a kernel that is not installed:
# "make -C FOLDER M=...". Does nothing if the same call made it before.
#
#   ROOT     folder where the kernel's Debian packages are unpacked. It has
#            usr/src/linux-headers-VERSION and what that refers to
#   VERSION  as in lib/modules, such as 7.3.4+deb13-amd64
#   TARBALL  source of that kernel, a linux-source-*.tar.xz
#
# The headers package has a Makefile with absolute paths, and programs that may need a
# newer C library or compiler than this machine has. If a module can be built with the
# package, FOLDER refers to it. Otherwise FOLDER has the parts of TARBALL that building
# a module needs: the programs are built there, and the headers that depend on the
# compiler are generated. The configuration and the symbols are those of the package
# in both cases. FOLDER/log has the output of all commands.

set -euo pipefail

root=$(realpath "$1") version=$2 tarball=$(realpath "$3") folder=$(realpath -m "$4")
package=$root/usr/src/linux-headers-$version
# shellcheck source=arch.sh
. "$(dirname "$0")/arch.sh"

# The parts of the source, and all Kconfig files.
members=(Makefile Kbuild Kconfig '*/Kconfig*' "arch/$(arch_folder \
	"$(arch_of_kernel "$version")")" certs include kernel lib/vdso scripts
	security/selinux tools/arch tools/bpf/resolve_btfids tools/build tools/include
	tools/lib tools/Makefile tools/objtool tools/scripts)

die()
{
	echo "kernel-tree: $*" >&2
	[ ! -f "$folder/log" ] || tail -n 20 "$folder/log" >&2
	exit 1
}

# RUSTC: Rust does not matter for modules in C, and would be built.
run_make()
{
	# shellcheck disable=SC2046	# words
	make -C "$folder" -j"$(nproc)" RUSTC=false $(arch_make_options "$version") "$@" \
		< /dev/null >> "$folder/log" 2>&1
}

can_build_module()
{
	local module

	module=$(mktemp -d)
	echo "obj-m := empty.o" > "$module/Kbuild"
	printf '#include <linux/module.h>\n%s\n%s\n' 'MODULE_DESCRIPTION("empty");' \
		'MODULE_LICENSE("Dual BSD/GPL");' > "$module/empty.c"
	run_make M="$module" modules && grep -q "^vermagic=$version " \
		<(tr '\0' '\n' < "$module/empty.ko")
	local status=$?
	rm -r "$module"
	return $status
}

use_package()
{
	local file

	for file in "$package"/{.config,.kernelvariables,*}; do
		[ ! -e "$file" ] || ln -sn "$file" "$folder/"
	done
	rm "$folder/Makefile"
	sed -e "s|=/usr/src/linux-headers-$version\$|=$folder|" -e t \
		-e "s|/usr/|$root/usr/|" "$package/Makefile" > "$folder/Makefile"
}

use_source()
{
	local top

	top=$(basename "$tarball")
	top=${top%.tar.*}
	tar -xf "$tarball" -C "$folder" --strip-components=1 --wildcards \
		"${members[@]/#/$top/}" || die "$tarball is not a kernel source tarball"
	cp "$package/.config" "$folder/"
	run_make KERNELRELEASE="$version" olddefconfig modules_prepare ||
		die "cannot prepare the source"
	cp "$package/Module.symvers" "$folder/"
}

[ -d "$package" ] || die "there are no headers of kernel $version in $root/usr/src"
key=$(cat "$0" <(printf '%s\n' "$root" "$version" "$tarball") "$package/Module.symvers" \
	"$package/.config" | sha256sum)
[ "$key" != "$(cat "$folder/made" 2> /dev/null)" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"
use_package
if ! can_build_module; then
	"$(dirname "$0")/../packaging/missing-programs.sh" debug ||
		die "the headers package of kernel $version does not work on this host," \
			"so its source has to be built"
	rm -rf "$folder"
	mkdir -p "$folder"
	use_source
	can_build_module || die "cannot build a module with the source of kernel $version"
fi
echo "$key" > "$folder/made"
