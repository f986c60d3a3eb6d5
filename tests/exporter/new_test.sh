#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# "./run new-exporter" makes a module that builds, with a build folder of peermem and with
# installed files, and that passes peermem-exporter-test.
#
# usage: new_test.sh, in the guest
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

cd "$(dirname "$0")/../.." || exit
project=$PWD
# shellcheck source=tests/tap.sh
. tests/tap.sh
# shellcheck source=tests/exporter/kit.sh
. tests/exporter/kit.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit

# Fails unless "./run new-exporter" with these arguments fails and makes nothing. The first
# argument is a part of what it says.
rejected()
{
	local said=$1 output

	shift
	if output=$("$project/run" new-exporter "$@" 2>&1); then
		echo "it was accepted"
		return 1
	fi
	echo "$output"
	[[ $output = *"$said"* ]] && [ "$(ls)" = present ]
}

# Builds the module in the present folder, without a warning. The arguments are variables of
# its environment, or options of env.
build()
{
	local status=0

	env "$@" make -s KBUILD_MODPOST_WARN='' modules > "$work/log" 2>&1 || status=1
	cat "$work/log"
	[ "$status" = 0 ] && ! grep -qiE 'warning|error' "$work/log"
}

# Puts what the packages install to its places.
install_files()
{
	local symbols

	symbols=/usr/src/ofa_kernel/$(uname -r)
	mkdir -p /usr/src/peermem "$symbols" &&
		cp "$project/packaging/peermem.mk" /usr/src/peermem &&
		cp -rL "$project/include" /usr/src/peermem &&
		cp "$PEERMEM_BUILD/kernel/Module.symvers" "$symbols"
}

mkdir present
tap_run "without a name" rejected "usage: new-exporter NAME [FOLDER]"
tap_run "with too much" rejected "usage: new-exporter NAME [FOLDER]" a b c
for name in 1st First my-exporter my.exporter ../up ""; do
	tap_run "bad name '$name'" rejected "invalid name '$name'" "$name"
done
tap_run "a name that is too long" rejected "at most 20 characters" a23456789012345678901
tap_run "a name that begins kernel functions" rejected "the kernel has kref_" kref
tap_run "a folder that exists" rejected "present exists" my_exporter present
tap_run "a folder that cannot be made" rejected "cannot make the folder" my_exporter /proc/x

tap_run "a new exporter" "$project/run" new-exporter my_exporter
tap_is "its files" "$(cd my_exporter && echo *)" "Kbuild Makefile README.md my_exporter.c"
tap_is "no name of the example is left" "$(grep -rni example my_exporter)" ""
# shellcheck disable=SC2016 # these are no commands
tap_is "its commands" "$(sed -n '/^```sh$/,/^```$/ { /^```/d; p }' my_exporter/README.md)" \
	$'make\ninsmod my_exporter.ko\nmake test'
cd my_exporter || exit
tap_run "it builds with a build folder" build PEERMEM_BUILD="$PEERMEM_BUILD"
tap_run "it loads" insmod my_exporter.ko
tap_run "load the DMA engine" insmod "$PEERMEM_BUILD/tests/kmod/edu/edu_rdma.ko"
kit_run my_exporter make -s test
tap_run "unload the DMA engine" rmmod edu_rdma
tap_run "it can be unloaded" rmmod my_exporter

cd "$work" || exit
tap_run "a new exporter in a folder" "$project/run" new-exporter example "$work/a/folder"
cd a/folder || exit
tap_run "it does not build without peermem" sh -c '! env -u PEERMEM_BUILD make -s modules'
tap_run "install" install_files
tap_run "it builds with installed files" build -u PEERMEM_BUILD
tap_run "it loads" insmod example.ko
tap_is "it is registered" "$(cat /sys/kernel/mm/memory_peers/example/version)" 1.0
tap_run "it can be unloaded" rmmod example
tap_run "make clean" make -s clean
tap_is "leaves the files that were made" "$(echo *)" "Kbuild Makefile README.md example.c"
tap_done
