#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# headers-package.sh [SERIES]
#
# Prints the name of the package with the kernel headers of SERIES (default: 6.12) that
# belong to its source package, linux-source-SERIES: the version that is installed, or
# that would be. Flavours other than the plain one (-cloud, -rt) do not count, and
# packages such as linux-headers-amd64 may be of another series. Fails if there are no
# such headers, or if the package lists are empty.

set -eu

series=${1-6.12}
source=linux-source-$series
arch=$(dpkg --print-architecture)

source_versions()
{
	dpkg-query -W -f '${Version}\n' "$source" 2> /dev/null || :
	apt-cache policy "$source" 2> /dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p'
}

# Prints the headers of upstream version $1 among those installed, or else offered.
headers_of()
{
	pattern="linux-headers-$(echo "$1" | sed 's/\./\\./g')+[^-]*-$arch"
	{
		dpkg-query -W -f '${db:Status-Status} ${Package}\n' "linux-headers-$1+*" \
			2> /dev/null | sed -n 's/^installed //p' | sort -V
		apt-cache pkgnames "linux-headers-$1+" 2> /dev/null | sort -rV
	} | grep -x -m 1 "$pattern"
}

for version in $(source_versions); do
	headers_of "${version%%-*}" && exit
done
echo "headers-package: no headers of $source for $arch in the package lists" >&2
exit 1
