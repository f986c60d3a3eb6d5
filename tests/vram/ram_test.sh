#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A VRAM device of system memory: module parameter ram_mb of peer_vram. on_ram.sh runs it.

set -u

# shellcheck source=tests/tap.sh
. tests/tap.sh

# Loads the module with parameters, and prints what it says.
load()
{
	dmesg -C
	modprobe -r peer_vram
	insmod "$PEERMEM_MODULES/vram/peer_vram.ko" "$@" 2>&1
	dmesg
}

# Prints the available memory, in MiB, once it does not change any more: the kernel frees
# some memory later, such as that of the tests before. Free memory would not do: to get large
# pages, the kernel also frees pages of files.
available_mib()
{
	local before=-1 now n

	for ((n = 0; n < 60; n++)); do
		now=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
		[ $((now - before)) -le 1 ] && [ $((before - now)) -le 1 ] && break
		before=$now
		sleep 0.5
	done
	echo "$now"
}

driver=$(readlink -f /sys/class/misc/peer_vram0/device/driver)
tap_is "the device is of the driver for system memory" "${driver##*/}" peer_vram_ram

modprobe -r peer_vram
before=$(available_mib)
modprobe peer_vram
taken=$((before - $(available_mib)))
# Other memory, such as that of tests before, comes and goes meanwhile.
if [ $taken -ge 128 ] && [ $taken -lt 384 ]; then
	tap_ok "it takes the memory"
else
	tap_fail "it takes the memory" "$taken MiB"
fi
modprobe -r peer_vram
left=$((before - $(available_mib)))
if [ $left -lt 128 ]; then
	tap_ok "it gives the memory back"
else
	tap_fail "it gives the memory back" "$left MiB are missing"
fi

said=$(load)
tap_run "without the parameter, it says how to get a device" \
	grep "no device; ram_mb=N makes one" <<< "$said"
tap_is "without the parameter, there is none" "$(ls /dev/peer_vram* 2> /dev/null)" ""
said=$(load ram_mb=99999999)
tap_run "more than the system has is rejected, with what it has" \
	grep -E "ram_mb=99999999: this system has [0-9]+ MiB" <<< "$said"
total=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
said=$(load ram_mb=$((total - 16)))
tap_run "more than is free is rejected" grep "not enough free memory" <<< "$said"
tap_is "after an error, the module is not there" "$(grep ^peer_vram /proc/modules)" ""
load ram_mb=3 > /dev/null
# Two large pages of 2 MiB, or one of 32 MiB.
size=4
[ "$(getconf PAGESIZE)" = 4096 ] || size=32
tap_run "an odd size is rounded up to large pages" \
	grep "$size MiB of system memory as VRAM" <<< "$(dmesg)"
tap_run "the command shows it" grep "VRAM: $size.0 MiB total" \
	<<< "$("$PEERMEM_BUILD/tools/peermem" vram list)"
modprobe -r peer_vram
modprobe peer_vram
tap_done
