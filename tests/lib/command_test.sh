#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The peermem tool with real processes that have BOs in VRAM, registered or not.
# usage: command_test.sh COMMAND HOLDER

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

peermem=$1 holder=$2
page_size="$(($(getconf PAGESIZE) / 1024)).0 KiB"

# Starts a holder with the argument $1 as a coprocess; $held is the address of its BO.
hold()
{
	coproc HOLDER { exec "$holder" "$1"; }
	read -r held <&"${HOLDER[0]}"
}

drop()
{
	local pid=$HOLDER_PID

	eval "exec ${HOLDER[1]}>&-"
	wait "$pid"
}

# Prints the number of the holder's BO, from the mappings of the process.
bo()
{
	awk -v at="${held#0x}-" 'index($1, at) == 1 { sub("^0*", "", $3); print "0x" $3 }' \
		"/proc/$HOLDER_PID/maps"
}

listed()
{
	"$peermem" vram list | awk -v bo="$(bo)" \
		'$1 == bo { $1 = ""; print }'
}

registered()
{
	"$peermem" mrs "$@" | awk -v pid="$HOLDER_PID" '$1 == pid {
		print $2, $3, $4, $5, $6, $7, $NF }'
}

# A folder that unprivileged users can read.
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
chmod 755 "$work"
# The mode that the udev rule sets.
chmod 666 /dev/peer_mem
cp "$peermem" "$(ldd "$peermem" | awk '/libpeermem/ { print $3 }')" "$work"

unprivileged()
{
	setpriv --reuid 65534 --clear-groups \
		env LD_LIBRARY_PATH="$work" "$work/peermem" "$@"
}

tap_is "no registrations" "$("$peermem" mrs | wc -l)" 1

# ---- not registered ----

hold no
tap_is "query: VRAM" "$("$peermem" query "$HOLDER_PID" "$held" 1M)" "\
memory     device memory
exporter   peer_vram
page size  $page_size
pinned     yes
on demand  yes"
tap_is "query: RDMA device by name" \
	"$("$peermem" query --device rxe0 "$HOLDER_PID" "$held" 1M | wc -l)" 5
tap_is "query: no such RDMA device" \
	"$("$peermem" query --device frob "$HOLDER_PID" "$held" 1 2>&1)" \
	"peermem: cannot open RDMA device 'frob' (see 'rdma link')"
tap_is "query: not mapped" "$("$peermem" query "$HOLDER_PID" 0x1000 1)" "\
memory     holes
exporter   -
page size  $page_size
pinned     no: not mapped (EFAULT)
on demand  accesses fail from 0x1000: not mapped"
tap_is "query: empty range" "$("$peermem" query "$HOLDER_PID" "$held" 0 2>&1)" \
	"peermem: invalid range: 0 bytes at $held (empty or wraps around)"
tap_is "query: kernel thread" "$("$peermem" query 2 0x1000 1 2>&1)" \
	"peermem: cannot query memory: no such process, or it has no address space"
tap_is "mrs: without privileges" \
	"$(unprivileged mrs 1 2>&1)" \
	"peermem: cannot list memory regions: access to another process requires CAP_SYS_PTRACE"
tap_is "mrs: process without registrations" "$(registered "$HOLDER_PID")" ""

# ---- the BO of the holder ----

tap_is "vram: list" "$(listed)" " 1.0 MiB vram 0 0"
tap_run "vram: evict" "$peermem" vram evict "$(bo)"
tap_is "vram: evicted" "$(listed)" " 1.0 MiB system 0 0"
tap_run "vram: move to VRAM" "$peermem" vram move "$(bo)" vram
tap_is "vram: moved to VRAM" "$(listed)" " 1.0 MiB vram 0 0"
tap_is "vram: invalid domain" "$("$peermem" vram move "$(bo)" moon 2>&1)" \
	"peermem: invalid domain 'moon' (vram or system); see peermem --help"
tap_is "vram: no such BO" "$("$peermem" vram evict 0x1000 2>&1)" \
	"peermem: no BO 0x1000 (see 'peermem vram list')"
tap_is "vram: without privileges" "$(chmod 666 /dev/peer_vram0
	unprivileged vram evict "$(bo)" 2>&1)" \
	"peermem: cannot find BO: requires CAP_SYS_ADMIN"
chmod 600 /dev/peer_vram0
size=$("$peermem" vram list | sed -n 's/^VRAM: \([0-9]*\).0 MiB.*/\1/p')
tap_is "vram: pressure with all of the VRAM" \
	"$("$peermem" vram pressure "${size}M" | sed 's/, .*//')" "$size.0 MiB allocated"
tap_is "vram: evicted by pressure" "$(listed)" " 1.0 MiB system 0 0"
tap_is "vram: too much pressure" "$("$peermem" vram pressure 1T 2>&1)" \
	"peermem: cannot allocate VRAM: Cannot allocate memory"
drop
tap_is "vram: BO is freed" "$("$peermem" vram list | wc -l)" 3

# ---- registered ----

hold pinned
tap_is "pinned MR" "$(registered)" "rxe0 $held 1.0 MiB pinned write peer_vram"
tap_is "pinned BO" "$(listed)" " 1.0 MiB vram 1 1"
tap_is "a pinned BO cannot be evicted" "$("$peermem" vram evict "$(bo)" 2>&1)" \
	"peermem: cannot move BO: pinned by a memory region"
drop
hold odp
tap_is "on-demand MR" "$(registered)" "rxe0 $held 1.0 MiB on-demand write -"
tap_is "on-demand MR by its process" "$(registered "$HOLDER_PID")" "$(registered)"
tap_run "its BO can be evicted" "$peermem" vram evict "$(bo)"
pid=$HOLDER_PID
drop
tap_is "no such process" "$("$peermem" mrs "$pid" 2>&1)" \
	"peermem: cannot list memory regions: no such process, or it has no address space"
tap_done
