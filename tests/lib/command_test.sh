#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The peermem command on what is really there: processes with objects in video
# memory, registered or not.
# usage: command_test.sh COMMAND HOLDER

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

peermem=$1 holder=$2

# A holder $1, as "coproc" has it: $held is where its object is.
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

# Its object in the list, by what the process's mappings say.
object()
{
	awk -v at="${held#0x}-" 'index($1, at) == 1 { sub("^0*", "", $3); print "0x" $3 }' \
		"/proc/$HOLDER_PID/maps"
}

listed()
{
	"$peermem" vram list | awk -v object="$(object)" \
		'$1 == object { $1 = ""; print }'
}

registered()
{
	"$peermem" mrs "$@" | awk -v pid="$HOLDER_PID" '$1 == pid {
		print $2, $3, $4, $5, $6, $7 == "demand" ? $7 " " $8 : $7, $NF }'
}

# Where others may go, too.
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
chmod 755 "$work"
# As the udev rule has it.
chmod 666 /dev/peer_mem
cp "$peermem" "$(ldd "$peermem" | awk '/libpeermem/ { print $3 }')" "$work"

unprivileged()
{
	setpriv --reuid 65534 --clear-groups \
		env LD_LIBRARY_PATH="$work" "$work/peermem" "$@"
}

tap_is "nothing is registered" "$("$peermem" mrs | wc -l)" 1

# ---- not registered ----

hold no
tap_is "video memory" "$("$peermem" query "$HOLDER_PID" "$held" 1M)" "\
memory     a device's memory
owner      peer_vram
page size  4.0 KiB
pinned     yes
on demand  yes"
tap_is "on a device by its name" \
	"$("$peermem" query --device rxe0 "$HOLDER_PID" "$held" 1M | wc -l)" 5
tap_is "no such device" "$("$peermem" query --device frob "$HOLDER_PID" "$held" 1 2>&1)" \
	"peermem: cannot open the RDMA device frob; see rdma link"
tap_is "where there is nothing" "$("$peermem" query "$HOLDER_PID" 0x1000 1)" "\
memory     holes
owner      -
page size  4.0 KiB
pinned     no: nothing is mapped in part of the range (EFAULT)
on demand  from 0x1000 on accesses fail: nothing is mapped in part of the range"
tap_is "no range" "$("$peermem" query "$HOLDER_PID" "$held" 0 2>&1)" \
	"peermem: 0 bytes at $held are no range"
tap_is "a thread of the kernel" "$("$peermem" query 2 0x1000 1 2>&1)" \
	"peermem: cannot ask: there is no such process, or it has no memory of its own"
tap_is "without privileges" \
	"$(unprivileged mrs 1 2>&1)" \
	"peermem: cannot read the registrations: of another process it takes CAP_SYS_PTRACE; try it as root"
tap_is "no registration" "$(registered "$HOLDER_PID")" ""

# ---- its object ----

tap_is "it is listed" "$(listed)" " 1.0 MiB vram 0 0"
tap_run "it is evicted" "$peermem" vram evict "$(object)"
tap_is "so it is" "$(listed)" " 1.0 MiB system 0 0"
tap_run "it is moved back" "$peermem" vram move "$(object)" vram
tap_is "there it is" "$(listed)" " 1.0 MiB vram 0 0"
tap_is "it goes nowhere else" "$("$peermem" vram move "$(object)" moon 2>&1)" \
	"peermem: an object is moved to vram or system, not to moon; see peermem --help"
tap_is "no such object" "$("$peermem" vram evict 0x1000 2>&1)" \
	"peermem: there is no object 0x1000; see peermem vram list"
tap_is "not for everybody" "$(chmod 666 /dev/peer_vram0
	unprivileged vram evict "$(object)" 2>&1)" \
	"peermem: cannot find it: it takes CAP_SYS_ADMIN; try it as root"
chmod 600 /dev/peer_vram0
size=$("$peermem" vram list | sed -n 's/^video memory \([0-9]*\).0 MiB.*/\1/p')
tap_is "somebody takes all of the video memory" \
	"$("$peermem" vram pressure "${size}M" | sed 's/, .*//')" "$size.0 MiB taken"
tap_is "so it is out" "$(listed)" " 1.0 MiB system 0 0"
tap_is "too much" "$("$peermem" vram pressure 1T 2>&1)" \
	"peermem: cannot take so much video memory: Cannot allocate memory"
drop
tap_is "it is gone" "$("$peermem" vram list | wc -l)" 3

# ---- registered ----

hold pinned
tap_is "pinned" "$(registered)" "rxe0 $held 1.0 MiB pinned write peer_vram"
tap_is "it is pinned" "$(listed)" " 1.0 MiB vram 1 1"
tap_is "it does not go" "$("$peermem" vram evict "$(object)" 2>&1)" \
	"peermem: cannot move it: it is pinned by a memory region"
drop
hold odp
tap_is "on demand" "$(registered)" "rxe0 $held 1.0 MiB on demand write -"
tap_is "by its process" "$(registered "$HOLDER_PID")" "$(registered)"
tap_run "it goes" "$peermem" vram evict "$(object)"
pid=$HOLDER_PID
drop
tap_is "no process" "$("$peermem" mrs "$pid" 2>&1)" \
	"peermem: cannot read the registrations: there is no such process, or it has no memory of its own"
tap_done
