#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Makes the Debian package of a guest of peermem-vm in FOLDER: peermem-guest-SERIES, or
# peermem-guest-debug. Prints its path.
#
# usage: guest-package.sh FOLDER BUILD      BUILD: build folder with the modules

set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
folder=$1 build=$2
root=$folder/guest

# Prints the value of line $1 of guest.conf.
value()
{
	sed -n "s/^$1=//p" "$guest/guest.conf"
}

# The version of Debian's kernel package, as its image says. A debug kernel has none: it is
# built from the source of that package.
debian_version()
{
	grep -aoEm 1 'Debian [0-9][^ ]+ \(' "$guest/vmlinuz" | cut -d ' ' -f 2 || echo "$kernel"
}

write_control()
{
	cat << END
Package: $package
Version: $version
Architecture: amd64
Maintainer: The peermem project <peermem@peermem.invalid>
Section: net
Priority: optional
Installed-Size: $(du -k -s "$root/usr" | cut -f 1)
Provides: peermem-guest
Recommends: peermem-vm
Description: peer memory for RDMA, guest with Linux $kernel
 The kernel that peermem-vm boots, with the modules that it needs and those of
 peermem. It is not installed as a kernel of this system.
END
}

write_documents()
{
	local doc=$root/usr/share/doc/$package

	mkdir -p "$doc"
	cat "$here/packaging/debian/copyright" - > "$doc/copyright" << END

Files: /usr/lib/peermem/guests/$kernel/vmlinuz
 /usr/lib/peermem/guests/$kernel/initrd
 /usr/lib/peermem/guests/$kernel/lib/*
 /usr/lib/peermem/guests/$kernel/modules/rdma_rxe.ko
Copyright: Linus Torvalds and others
License: GPL-2.0-only
 The kernel is Debian's, version $(debian_version). Its source is in the package
 linux-source-$series of that version, and that of busybox in Debian's source package
 busybox. On Debian systems the text of the GNU General Public License, version 2, is
 in /usr/share/common-licenses/GPL-2.
END
	sed "s/@VERSION@/$version/; 1s/^peermem /$package /" "$here/packaging/debian/changelog" |
		gzip -9n > "$doc/changelog.gz"
}

version=$(sed -n 's/^project(peermem VERSION \([0-9.]*\) .*/\1/p' "$here/CMakeLists.txt")
rm -rf --one-file-system "$root"
mkdir -p "$root/DEBIAN" "$root/usr/lib/peermem/guests"
guest=$root/usr/lib/peermem/guests/new
"$here/vm/peermem-vm" pack "$build" "$guest"
kernel=$(value kernel)
mv "$guest" "${guest%/new}/$kernel"
guest=${guest%/new}/$kernel
series=$(cut -d . -f 1-2 <<< "$kernel")
package=peermem-guest-$series
[ "$(value config)" = plain ] || package=peermem-guest-$(value config)
write_documents
write_control > "$root/DEBIAN/control"
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group --build "$root" "$folder" > /dev/null
rm -rf --one-file-system "$root"
ls "$folder/${package}_${version}_amd64.deb"
