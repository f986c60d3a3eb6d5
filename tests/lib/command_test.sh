#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The peermem tool with real processes that have BOs in VRAM, registered or not.
# usage: command_test.sh COMMAND HOLDER

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

peermem=$1 holder=$2
here=$(cd "$(dirname "$0")" && pwd)
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
status_of()
{
	"$@" > /dev/null 2>&1
	echo $?
}

tap_is "query: yes: status" "$(status_of "$peermem" query "$HOLDER_PID" "$held" 1M)" 0
tap_is "query: no: status" "$(status_of "$peermem" query "$HOLDER_PID" 0x1000 1)" 3
tap_is "query: schema" \
	"$("$peermem" query --json "$HOLDER_PID" "$held" 1M | "$here/schema.py")" ""
tap_is "query: JSON" "$("$peermem" query --json "$HOLDER_PID" "$held" 1M |
	python3 -c 'import json, sys; a = json.load(sys.stdin)
print(a["memory"], a["exporter"], a["pinned"]["possible"], a["on_demand"]["possible"])')" \
	"['device memory'] peer_vram True True"
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
tap_is "vram: schema" "$("$peermem" vram --json list | "$here/schema.py")" ""
tap_is "vram: JSON is for the list" "$("$peermem" vram --json evict "$(bo)" 2>&1)" \
	"peermem: vram evict: --json is for 'list'; see peermem --help"
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
tap_is "mrs: schema" "$("$peermem" mrs --json | "$here/schema.py")" ""
tap_is "mrs: JSON" "$("$peermem" mrs --json "$HOLDER_PID" |
	python3 -c 'import json, sys; mr, = json.load(sys.stdin)["mrs"]
print(mr["pid"], mr["command"], mr["address"], mr["length"], mr["kind"])')" \
	"$HOLDER_PID holder $held 1048576 on-demand"
tap_is "top: schema" "$("$peermem" top --json --count 1 | "$here/schema.py")" ""
screen=$("$here/screen.py" '^ *[0-9]+ holder .* on-demand ' q -- "$peermem" top)
tap_run "top: the bar of the VRAM" \
	grep -E "^peer_vram0 +\[[#| ]{24}\] [0-9.]+ .?i?B of 256.0 MiB used" <<< "$screen"
tap_run "top: the MR with its process" \
	grep -E "^ *$HOLDER_PID holder +rxe0 +1.0 MiB on-demand " <<< "$screen"
pid=$HOLDER_PID
drop
tap_is "no such process" "$("$peermem" mrs "$pid" 2>&1)" \
	"peermem: cannot list memory regions: no such process, or it has no address space"

# ---- doctor ----

# Prints verdict and advice of part $1.
verdict()
{
	"$peermem" doctor --json | python3 -c 'import json, sys
for check in json.load(sys.stdin)["checks"]:
    if check["part"] == sys.argv[1]:
        print(check["verdict"], check["text"], check["advice"], sep="|")' "$1"
}

tap_is "doctor: everything works: status" "$(status_of "$peermem" doctor)" 0
tap_is "doctor: schema" "$("$peermem" doctor --json | "$here/schema.py")" ""
tap_is "doctor: the core" "$(verdict ib_peer_mem)" \
	"ok|$("$peermem" --version | cut -d ' ' -f 2) is loaded|"
tap_is "doctor: Soft-RoCE" "$(verdict rdma_rxe)" "ok|extended: registers device memory|"
tap_is "doctor: the device" "$(verdict rxe0 | head -n 2)" "\
ok|active; GID index 1 is RoCE v2 with IPv4|
ok|on-demand MRs, also of the whole address space|"
tap_is "doctor: VRAM with the device" "$(verdict "rxe0, peer_vram0")" \
	"ok|can be registered, pinned and on demand|"
tap_is "doctor: the distribution's provider" \
	"$(RDMAV_DRIVERS=rxe verdict rxe0 | tail -n 1)" "note|no ibv_reg_dmabuf_mr()|\
Soft-RoCE has it, and ibv_advise_mr() and ibv_rereg_mr(), after 'peermem-provider on'"
tap_is "doctor: an ordinary user may not open the VRAM" "$(unprivileged doctor |
	grep -A 1 '/dev/peer_vram0' | tr -s ' ')" "\
no /dev/peer_vram0 Permission denied
 add this user to the group 'render'"
tap_is "doctor: memlock of an ordinary user" "$(ulimit -l 64; unprivileged doctor |
	grep memlock | tr -s ' ')" "note memlock pinned MRs: at most 64.0 KiB"
ip link set eth0 down
tap_run "doctor: the network is down" \
	grep '^no.*its port is not active' <<< "$("$peermem" doctor)"
ip link set eth0 up
ip address add 10.0.0.1/24 dev eth0 2> /dev/null
"$here/../../vm/guest/rxe.sh" stock
tap_is "doctor: the distribution's Soft-RoCE" "$(verdict rdma_rxe)" \
	"no|the distribution's is loaded: it cannot register device memory|delete its devices \
('rdma link'), 'modprobe -r rdma_rxe', then load the extended module"
# That of Linux 7 registers it on demand; what accesses do then is another matter.
tap_run "doctor: then VRAM cannot be registered" \
	grep -E '^(no|note) .*peer_vram0 *cannot be registered' <<< "$("$peermem" doctor)"
tap_is "doctor: something does not work: status" "$(status_of "$peermem" doctor)" 3
"$here/../../vm/guest/rxe.sh" off
tap_is "doctor: no RDMA device" "$(verdict "RDMA devices")" \
	"no|none|rdma link add rxe0 type rxe netdev INTERFACE"
"$here/../../vm/guest/rxe.sh" extended
# An exporter has the name of its module, or of its device: peer_cmb0. Those that earlier
# tests have left are loaded by who needs them.
mapfile -t exporters < <("$peermem" status |
	awk 'NR > 1 && $1 != "dma_buf" { sub("[0-9]*$", "", $1); print $1 }' | sort -u)
rmmod "${exporters[@]}"
tap_run "doctor: no exporter" grep "modprobe peer_vram ram_mb=256" <<< "$(verdict exporters)"
modprobe peer_vram
tap_done
