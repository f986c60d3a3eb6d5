#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Builds the packages peermem-vm and peermem-guest-6.12, installs peermem-vm from an archive
# in minimal systems of Debian 12 and 13, and uses it there as an ordinary user, without the
# source folder: RDMA with VRAM, pinned and on demand. Purges it, and checks that nothing is
# left. Then the steps of the GitHub action do the same, as a user who may use sudo.
#
# usage: vm_package_test.sh FOLDER BUILD
#   FOLDER  folder for the packages
#   BUILD   build folder with the modules

set -u

folder=$(realpath -m "$1") build=$2
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/package/packages.sh
. tests/package/packages.sh

user=1000

inside()
{
	packaging/debian-system.sh run "$root" "$@" < /dev/null
}

as_user()
{
	inside setpriv --reuid=$user --regid=$user --clear-groups \
		env -C /home/user HOME=/home/user "$@"
}

# Makes a minimal system of release $1, with an archive of the packages in /packages, and
# the action in /action.
# shellcheck disable=SC2317	# called by tap_run
make_system()
{
	local action=$root/action

	packaging/debian-system.sh make "$root" "$1" --include=python3-yaml,sudo || return
	mkdir -p "$root/packages" "$action"/packaging/github "$action"/tests
	inside useradd --uid "$user" --user-group --create-home user || return
	echo "user ALL=(ALL) NOPASSWD: ALL" > "$root/etc/sudoers.d/user"
	cp packaging/github/* "$action/packaging/github/"
	cp tests/package/run_action.py "$action/tests/"
	cp "$folder"/peermem-vm_*.deb "$folder"/peermem-guest-*.deb "$root/packages/" &&
		(cd "$root/packages" && dpkg-scanpackages . > Packages) &&
		echo "deb [trusted=yes] file:/packages ./" \
			> "$root/etc/apt/sources.list.d/packages.list"
}

# Prints the files of the packages, by name, and their folders.
ours()
{
	inside find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /packages \
		-o -path /var/lib/apt/lists \) -prune -o -name '*peermem*' -print
}

# RDMA WRITE with VRAM on both sides, by unmodified perftest, with these options
# shellcheck disable=SC2016	# the guest expands it
perftest='
ib_write_bw -d rxe0 -n 100 --mmap=/dev/peer_vram0 "$@" > "$PEERMEM_OUT/server" &
sleep 3
ib_write_bw -d rxe0 -n 100 --mmap=/dev/peer_vram0 "$@" 10.0.0.1 && wait $!'

# shellcheck disable=SC2317	# called by tap_run
traffic()
{
	as_user peermem-vm run --user --results results -- bash -c "$perftest" - "$@"
}

# The steps of the action, in a system without peermem-vm
test_action()
{
	tap_run "$release: the steps of the action run, as an ordinary user" \
		as_user GITHUB_STEP_SUMMARY=/home/user/page /action/tests/run_action.py \
		/action/packaging/github/action.yml run="$perftest" packages=/packages \
		options=--user
	tap_run "$release: the page of the job has a summary" \
		grep -F '**2 passed, 0 failed, 0 skipped**' "$root/home/user/page"
}

test_release()
{
	local release=$1 started log=$folder/$1.log

	root=$(mktemp -d)
	tap_run "$release: a minimal system" make_system "$release"
	tap_run "$release: one package is installed, and perftest" inside sh -c \
		'apt-get -q update && apt-get -q -y install --no-install-recommends \
		perftest peermem-vm'
	tap_is "$release: one guest is installed" \
		"$(as_user peermem-vm list | awk '{ print $2 }')" plain
	for options in "" --odp; do
		started=$SECONDS
		# shellcheck disable=SC2086	# no option is no word
		tap_run "$release: an ordinary user runs perftest with VRAM ${options:-pinned}" \
			traffic $options
		echo "# $release: $((SECONDS - started)) s"
	done
	tap_is "$release: the results name no failure" \
		"$(grep -oE '<(testcase|failure)' "$root/home/user/results/junit.xml")" "<testcase
<testcase"
	inside sh -c 'apt-get -q -y purge peermem-vm "peermem-guest-*"' > "$log" 2>&1
	tap_is "$release: nothing is left" "$(ours)" ""
	test_action
	rm -rf --one-file-system "$root"
}

root=/nonexistent
trap 'rm -rf --one-file-system "$root"' EXIT
build_packages "$folder"
tap_run "the package of the guest is built" packaging/guest-package.sh "$folder" "$build"
tap_is "lintian finds nothing about the guest" \
	"$(lintian --allow-root "$folder"/peermem-guest-*.deb 2>&1 | grep '^[EW]:')" ""
test_release bookworm
test_release trixie
tap_done
