#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks who may open, read and change the files of the modules in /dev and
# sysfs, and that none of them shows a kernel address.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

rules=$here/../../packaging/70-peermem.rules
node=/dev/peer_vram0

as_user()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
}

# ---- the device file ----

# Prints what the udev rule assigns to a key.
rule_says()
{
	local key=$1 nodes=${2-peer_vram}

	grep -v '^#' "$rules" | grep "\"${nodes}[\"[]" | grep -o "$key==\?\"[^\"]*\"" |
		sed 's/.*"\(.*\)"/\1/'
}

tap_is "rule: group" "$(rule_says GROUP)" render
tap_is "rule: mode" "$(rule_says MODE)" 0660
tap_is "rule: subsystem" "$(rule_says SUBSYSTEM)" misc
tap_is "device file: subsystem" \
	"$(basename "$(readlink /sys/class/misc/peer_vram0/subsystem)")" misc
pattern=$(rule_says KERNEL)
name=${node##*/}
# shellcheck disable=SC2254
case $name in
$pattern) tap_ok "rule: device name" ;;
*) tap_fail "rule: device name" "$pattern" ;;
esac

tap_is "rule of /dev/peer_mem: mode" "$(rule_says MODE peer_mem)" 0666
tap_is "rule of /dev/peer_mem: group" "$(rule_says GROUP peer_mem)" ""
tap_is "rule of /dev/peer_mem: subsystem" \
	"$(basename "$(readlink /sys/class/misc/peer_mem/subsystem)")" \
	"$(rule_says SUBSYSTEM peer_mem)"

if udevadm --help 2> /dev/null | grep -q '^ *verify'; then
	tap_run "rule: udevadm verify" udevadm verify "$rules"
else
	tap_skip "rule: udevadm verify" "this udevadm has no verify command"
fi

# Without udev only root can open it.
chown root:root $node
chmod 0600 $node
tap_is "device file without rule is denied" "$(as_user head -c0 $node 2>&1 | grep -o denied)" \
	denied

# ---- sysfs, debugfs and tracefs ----

list_of_files()
{
	find /sys/kernel/mm/memory_peers /sys/module/ib_peer_mem \
		/sys/module/peer_vram /sys/module/rdma_rxe \
		/sys/class/misc/peer_vram0/ -type f 2> /dev/null
}

tap_is "sysfs files exist" \
	"$(list_of_files | grep -c /peer_vram/num_faults)" 1
# shellcheck disable=SC2016 # it is for the other shell
tap_is "only root can write sysfs files" \
	"$(list_of_files | as_user bash -c \
		'while read -r file; do [ ! -w "$file" ] || echo "$file"; done')" ""
tap_is "all users can read counters" \
	"$(as_user grep -c . /sys/kernel/mm/memory_peers/peer_vram/num_faults)" 1

# A kernel address has 16 digits and starts with these.
tap_is "no kernel address in readable sysfs files" \
	"$(list_of_files | as_user xargs grep -slE \
		'(0x)?ffff[89a-f][0-9a-f]{11}')" ""

for dir in /sys/kernel/debug /sys/kernel/tracing; do
	tap_is "$dir is denied" \
		"$(as_user ls $dir/ 2>&1 | grep -o denied)" denied
done

# Tracepoints print pointers hashed.
tap_is "tracepoints print no raw pointer" \
	"$(grep -hE 'print fmt.*%(px|pK|llx.*umem)' \
		/sys/kernel/tracing/events/ib_peer_mem/*/format)" ""
tap_is "tracepoints exist" \
	"$(find /sys/kernel/tracing/events/ib_peer_mem -name format | wc -l)" 4

tap_is "no kernel address in the log" \
	"$(dmesg | grep -E 'peer|rxe' | grep -E 'ffff[89a-f][0-9a-f]{11}')" ""

tap_done
