#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A Debian system in a folder: clean, of any release, with only the packages that are
# asked for.
#
# debian-system.sh make FOLDER RELEASE [OPTION...]
#       Makes the system, with the packages of RELEASE ("trixie"), its updates and its
#       security updates. OPTION: of mmdebstrap, such as --include=PACKAGES. The default
#       is a minimal system. The mirror is that of debian-mirror.sh. Needs mmdebstrap.
# debian-system.sh run [--bind FROM:TO] FOLDER COMMAND...
#       Runs a command in it, with /proc, /dev and /sys, an empty /run, and an environment
#       of its own. --bind: folder FROM of this system is TO there. Everything is mounted
#       in a mount namespace that ends with the command. Exit status: that of the
#       command. Needs root.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

usage()
{
	sed -n '/^# debian-system.sh make/,/^$/s/^# \?//p' "$0" >&2
	exit 2
}

# The suites are given, not taken from this system: its apt configuration may have
# packages that are not Debian's.
make_system()
{
	local folder=$1 release=$2 sources
	shift 2

	sources=$("$here/debian-mirror.sh" "$release"{,-updates,-security})
	mmdebstrap --quiet --variant=minbase "$@" "$release" "$folder" - \
		<<< "$sources" >&2
}

run_mounted()
{
	local bind=$1 folder=$2
	shift 2

	mount -t proc proc "$folder/proc"
	mount --rbind --make-rslave /dev "$folder/dev"
	mount --rbind --make-rslave /sys "$folder/sys"
	mount -t tmpfs tmpfs "$folder/run"
	[ -z "$bind" ] || mount --bind "${bind%%:*}" "$folder${bind#*:}"
	exec chroot "$folder" env -i HOME=/root USER=root \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		TERM="${TERM-dumb}" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		PEERMEM_MIRROR="${PEERMEM_MIRROR-}" "$@"
}

run_in_system()
{
	local bind=

	if [ "${1-}" = --bind ]; then
		bind=${2-}
		shift 2
	fi
	[ $# -ge 2 ] || usage
	exec unshare --mount "$0" run-mounted "$bind" "$@"
}

command=${1-}
[ $# -ge 3 ] || usage
shift
case $command in
make) make_system "$@" ;;
run) run_in_system "$@" ;;
run-mounted) run_mounted "$@" ;;	# by itself, in the mount namespace
*) usage ;;
esac
