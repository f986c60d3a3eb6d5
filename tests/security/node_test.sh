#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Who may open, read and change what the modules put into the file system, and
# whether any of it tells a kernel address.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

rules=$here/../../packaging/70-peermem.rules
node=/dev/peer_vram0

as_user()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
}

# ---- the node ----

# What udev would do, by its own word where it is there.
rule_says()
{
	local key=$1 nodes=${2-peer_vram}

	grep -v '^#' "$rules" | grep "\"${nodes}[\"[]" | grep -o "$key==\?\"[^\"]*\"" |
		sed 's/.*"\(.*\)"/\1/'
}

tap_is "rule: group" "$(rule_says GROUP)" render
tap_is "rule: mode" "$(rule_says MODE)" 0660
tap_is "rule: for nodes only" "$(rule_says SUBSYSTEM)" misc
tap_is "rule: subsystem of the node" \
	"$(basename "$(readlink /sys/class/misc/peer_vram0/subsystem)")" misc
pattern=$(rule_says KERNEL)
name=${node##*/}
# shellcheck disable=SC2254
case $name in
$pattern) tap_ok "rule: name of the node" ;;
*) tap_fail "rule: name of the node" "$pattern" ;;
esac

tap_is "rule of the core's node: mode" "$(rule_says MODE peer_mem)" 0666
tap_is "rule of the core's node: group" "$(rule_says GROUP peer_mem)" ""
tap_is "name of the core's node" \
	"$(basename "$(readlink /sys/class/misc/peer_mem/subsystem)")" \
	"$(rule_says SUBSYSTEM peer_mem)"

if udevadm --help 2> /dev/null | grep -q '^ *verify'; then
	tap_run "rule: udev finds no fault in it" udevadm verify "$rules"
else
	tap_skip "rule: udev finds no fault in it" "this udev cannot verify"
fi

# Without udev nobody but root opens it.
chown root:root $node
chmod 0600 $node
tap_is "node without rule" "$(as_user head -c0 $node 2>&1 | grep -o denied)" \
	denied

# ---- files ----

list_of_files()
{
	find /sys/kernel/mm/memory_peers /sys/module/ib_peer_mem \
		/sys/module/peer_vram /sys/module/rdma_rxe \
		/sys/class/misc/peer_vram0/ -type f 2> /dev/null
}

tap_is "there are files" \
	"$(list_of_files | grep -c /peer_vram/num_faults)" 1
# shellcheck disable=SC2016 # it is for the other shell
tap_is "nobody but root can change one" \
	"$(list_of_files | as_user bash -c \
		'while read -r file; do [ ! -w "$file" ] || echo "$file"; done')" ""
tap_is "counters are read by all" \
	"$(as_user grep -c . /sys/kernel/mm/memory_peers/peer_vram/num_faults)" 1

# 16 digits that begin so are addresses of the kernel's half.
tap_is "no kernel address for users in files" \
	"$(list_of_files | as_user xargs grep -slE \
		'(0x)?ffff[89a-f][0-9a-f]{11}')" ""

for dir in /sys/kernel/debug /sys/kernel/tracing; do
	tap_is "no way into $dir" \
		"$(as_user ls $dir/ 2>&1 | grep -o denied)" denied
done

# What tracepoints print of a pointer is a hash.
tap_is "tracepoints print no raw pointer" \
	"$(grep -hE 'print fmt.*%(px|pK|llx.*umem)' \
		/sys/kernel/tracing/events/ib_peer_mem/*/format)" ""
tap_is "there are tracepoints" \
	"$(find /sys/kernel/tracing/events/ib_peer_mem -name format | wc -l)" 4

tap_is "no kernel address in the log" \
	"$(dmesg | grep -E 'peer|rxe' | grep -E 'ffff[89a-f][0-9a-f]{11}')" ""

tap_done
