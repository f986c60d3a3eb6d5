#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Process 1 of the guest, after init has mounted the root file system. Loads the
# modules, brings up rxe0, runs the command, and reports its exit status to the
# host.
#
# Ports (virtio-serial, by name):
#   peermem.status  to the host, one message a line: "ready", "lost N FILE" (files that
#                   are discarded, and one of them), then "exit N". The host takes only
#                   "exit N" as a regular end; other messages are failures
#   peermem.input   from the host: with several machines, first a line when all are
#                   ready; then standard input of the command (--stdin)
#   peermem.out     standard output of the command
#   peermem.err     standard error of the command
# /dev/hvc0 is the terminal, if there is one.
#
# "exit N" is sent only after all processes of the guest have ended. A process that
# SIGKILL does not end is stuck in the kernel, which is a failure. Memory that
# kmemleak reports as lost (leaks.sh) goes to the kernel log and is a failure too.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /

# shellcheck source=/dev/null
. /run/peermem/vm.conf

never=/run/peermem/never	# a FIFO without data: sleep without a process

port()
{
	local dir name

	for dir in /sys/class/virtio-ports/*; do
		[ -e "$dir/name" ] || continue
		read -r name < "$dir/name"
		if [ "$name" = "$1" ]; then
			echo "/dev/${dir##*/}"
			return
		fi
	done
}

die()
{
	echo "peermem-guest: $*" > /dev/kmsg
	echo "$*" >&"$status"
	power_off
}

# Powers off at once: nothing needs to be saved.
power_off()
{
	echo o > /proc/sysrq-trigger
	while :; do
		read -r -t 100 <> "$never"
	done
}

mount_all()
{
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	# With this option, enabling an event patches scheduler code, to record
	# the names of tasks. That can crash the guest under emulation; see
	# accel_options in accel.sh.
	echo 0 > /sys/kernel/tracing/options/record-cmd
	ln -sf /proc/self/fd /dev/fd
	ln -sf /proc/self/fd/0 /dev/stdin
	ln -sf /proc/self/fd/1 /dev/stdout
	ln -sf /proc/self/fd/2 /dev/stderr
	mkdir -p /run/lock /run/peermem/out
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 \
		out /run/peermem/out || die "cannot mount the result folder"
}

# libibverbs loads the providers of all RDMA devices, which is slow under
# emulation. Leaves only rxe. peermem's provider, if it is built, comes first; with
# RDMAV_DRIVERS=rxe in the environment, the distribution's does.
hide_drivers()
{
	local all=/etc/libibverbs.d few=/run/peermem/libibverbs.d ours

	[ -e $all/rxe.driver ] || return 0
	mkdir $few
	echo "driver rxe" > $few/rxe.driver
	for ours in "$VM_BUILD"/provider/librxe-rdmav*.so; do
		[ -e "$ours" ] && [ -z "$VM_STOCK" ] &&
			echo "driver ${ours%-rdmav*}" >> $few/rxe.driver
	done
	mount --bind $few $all
}

load_modules()
{
	local ours=() name

	if [ -z "$VM_STOCK" ]; then
		mkdir -p /run/modprobe.d
		ln -s /run/peermem/modprobe.conf /run/modprobe.d/peermem.conf
		for name in ib_peer_mem peer_vram; do
			grep -q "^install $name " /run/peermem/modprobe.conf &&
				ours+=("$name")
		done
	fi
	modprobe -a ib_uverbs rdma_ucm "${ours[@]}" rdma_rxe ||
		die "cannot load the modules"
}

# Gives the last controller, which has the large CMB (qemu.py), to peer_cmb.
load_cmb()
{
	local file class last=''

	grep -q "^install peer_cmb " /run/peermem/modprobe.conf || return 0
	for file in /sys/bus/pci/devices/*/class; do
		read -r class < "$file"
		[ "$class" != 0x010802 ] || last=${file%/class}
	done
	modprobe peer_cmb "controllers=${last##*/}" || die "cannot load peer_cmb"
}

# Loads the modules of --module.
load_more_modules()
{
	local file why

	for file in /run/peermem/modules.after/*.ko*; do
		[ ! -e "$file" ] || why=$(insmod "$file" 2>&1) ||
			die "cannot load the module ${file##*/[0-9]-}: $why"
	done
}

# Gives the device nodes the modes that udev gives them on a host (70-peermem.rules). A
# minimal system has no group render: then they belong to the group of the calling user.
set_modes()
{
	local node render

	while IFS=: read -r node _ render _; do
		[ "$node" != render ] || break
	done < /etc/group
	for node in /dev/peer_vram* /dev/peer_cmb*; do
		[ ! -e "$node" ] || chmod 660 "$node"
		[ ! -e "$node" ] || chgrp "${render:-${VM_GID:-0}}" "$node"
	done
	[ ! -e /dev/peer_mem ] || chmod 666 /dev/peer_mem
}

network_up()
{
	local why

	# shellcheck source=rxe.sh
	. /run/peermem/rxe.sh
	ip link set lo up
	ip link set eth0 up
	ip address add "10.0.0.$VM_NUMBER/24" dev eth0 ||
		die "cannot set the address of eth0"
	why=$(rxe_up 2>&1) || die "rxe0 does not come up: ${why//$'\n'/; }"
}

# Names of the machines, and the host's network.
name_machines()
{
	local n name=peermem

	echo "127.0.1.1 peermem" >> /etc/hosts
	if [ "$VM_NODES" -gt 1 ]; then
		name=node$VM_NUMBER
		for ((n = 1; n <= VM_NODES; n++)); do
			echo "10.0.0.$n node$n" >> /etc/hosts
			echo "node$n slots=1" >> /run/peermem/nodes
		done
	elif [ "$VM_NUMBER" != 1 ]; then
		name=peermem$VM_NUMBER
	fi
	echo "$name" > /proc/sys/kernel/hostname
}

# Lets the guest use the network of the host (qemu.py has the addresses).
join_network()
{
	[ -n "$VM_NET" ] || return 0
	ip route add default via 10.0.0.254
	rm -f /etc/resolv.conf
	echo "nameserver 10.0.0.253" > /etc/resolv.conf
}

# With several machines, waits until all are ready.
wait_for_others()
{
	[ "$VM_NODES" -gt 1 ] || return 0
	read -r < "$(port peermem.input)" || die "lost the connection to peermem-vm"
}

# Can the process of folder $1 still have open files? Kernel threads (PF_KTHREAD)
# cannot, nor can a process all of whose threads are dead.
has_files()
{
	local line fields

	read -r line 2> /dev/null < "$1/stat" || return
	read -r -a fields <<< "${line##*) }"
	((!(fields[6] & 0x200000))) &&
		[[ ${fields[0]} != [ZX] || ${fields[17]} -gt 1 ]]
}

# Sets pids: all processes except this one and the two cats. Runs no command,
# because each takes 50 ms under emulation.
find_processes()
{
	local dir pid

	pids=()
	for dir in /proc/[1-9]*; do
		pid=${dir#/proc/}
		[ "$pid" = 1 ] || [ "$pid" = "${out_cat-}" ] ||
			[ "$pid" = "${err_cat-}" ] && continue
		has_files "$dir" && pids+=("$pid")
	done
}

# Kills all processes that the command left behind. Fails if one does not end.
end_processes()
{
	local n pid pids

	for ((n = 0; n < 100; n++)); do
		find_processes
		[ ${#pids[@]} = 0 ] && return
		kill -KILL "${pids[@]}" 2> /dev/null
		read -r -t 0.1 <> "$never"
	done
	for pid in "${pids[@]}"; do
		{
			echo "peermem-guest: SIGKILL does not end process $pid" \
				"($(< "/proc/$pid/comm"))"
			cat "/proc/$pid/stack"
		} > /dev/kmsg
	done
	return 1
}

# What libraries need to find rxe0, unless the caller has set it.
set_defaults()
{
	export UCX_NET_DEVICES=${UCX_NET_DEVICES-rxe0:1} UCX_TLS=${UCX_TLS-rc_v,ud_v,self}
	export UCX_UD_VERBS_ETH_DGID_CHECK=${UCX_UD_VERBS_ETH_DGID_CHECK-n}
	# mpirun refuses to run as root, which is right on a host.
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# For mpirun of Open MPI 4 and 5: the machines, and how to start programs on them.
set_nodes()
{
	local agent="/run/peermem/node.py run" nodes=/run/peermem/nodes

	[ "$VM_NODES" -gt 1 ] || return 0
	export PEERMEM_NODE=$VM_NUMBER PEERMEM_NODES=$VM_NODES
	export OMPI_MCA_plm_rsh_agent=$agent OMPI_MCA_orte_default_hostfile=$nodes
	export PRTE_MCA_plm_ssh_agent=$agent PRTE_MCA_prte_default_hostfile=$nodes
}

set_environment()
{
	local pair

	export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8
	export TERM=${VM_TERM:-dumb} PS1='\h:\w\$ '
	while IFS= read -r -d '' pair; do
		export "${pair?}"
	done < /run/peermem/env
	[ -z "$VM_ENV" ] || set_defaults
	set_nodes
	export PEERMEM_OUT=/run/peermem/out PEERMEM_MODULES=$VM_KERNEL_BUILD
	[ -z "$VM_BUILD" ] || export PEERMEM_BUILD=$VM_BUILD
	ulimit -l unlimited
	ulimit -n 1048576
}

# Sets args: the command, which setpriv runs as the calling user.
read_command()
{
	local groups

	mapfile -d '' args < /run/peermem/args
	# The shell's profiles are slow under emulation, and are for the host.
	[ ${#args[@]} != 0 ] || args=(bash --noprofile --norc)
	groups=--clear-groups
	[ -z "$VM_GROUPS" ] || groups=--groups=$VM_GROUPS
	[ -z "$VM_UID" ] || args=(setpriv "--reuid=$VM_UID" "--regid=$VM_GID" "$groups" --
		"${args[@]}")
}

# After mpirun on node1: ends what the other machines run for it.
stop_servers()
{
	local n names=()

	for ((n = 2; n <= VM_NODES; n++)); do
		names+=("node$n")
	done
	python3 /run/peermem/node.py stop "${names[@]}"
}

# Prints the input of the command: that of the port, or nothing.
input()
{
	if [ -n "$VM_STDIN" ]; then
		port peermem.input
	else
		echo /dev/null
	fi
}

run_command()
{
	local args

	read_command
	cat /run/peermem/stdout > "$(port peermem.out)" &
	out_cat=$!
	err_cat=''
	if [ -z "$VM_MERGE" ]; then
		cat /run/peermem/stderr > "$(port peermem.err)" &
		err_cat=$!
	fi
	(
		set_environment
		cd "$VM_CWD" || exit 127
		exec {status}>&- < "$(input)" > /run/peermem/stdout
		if [ -n "$VM_MERGE" ]; then
			exec 2>&1
		else
			exec 2> /run/peermem/stderr
		fi
		exec setsid "${args[@]}"
	)
	result=$?
	end_processes || die "stuck: a process does not end after SIGKILL"
	wait "$out_cat" $err_cat
}

run_terminal()
{
	local args

	read_command
	(
		set_environment
		cd "$VM_CWD" || exit 127
		# The terminal of the host adds the carriage returns.
		stty sane -onlcr ${VM_ROWS:+rows "$VM_ROWS"} \
			${VM_COLUMNS:+columns "$VM_COLUMNS"}
		exec {status}>&-
		exec setsid --ctty --wait "${args[@]}"
	) < /dev/hvc0 > /dev/hvc0 2>&1
	result=$?
	out_cat='' err_cat=''
	end_processes || die "stuck: a process does not end after SIGKILL"
}

# Shortly before the time limit of the host, logs the stacks of blocked tasks and of
# all processors.
watch_time()
{
	local uptime left

	read -r uptime _ < /proc/uptime
	left=$((VM_TIMEOUT - ${uptime%.*}))
	read -r -t "$((left > 20 ? left - 10 : left > 2 ? left / 2 : 1))" \
		<> "$never"
	echo w > /proc/sysrq-trigger
	echo l > /proc/sysrq-trigger
}

# Reports the files in the current folder that the command has written and that are
# discarded. Python writes its caches anywhere.
report_lost_files()
{
	local folder=/run/peermem/rw/${VM_HOST:-root}/upper$VM_CWD file first='' count=0

	[ -d "$folder" ] && [ "$VM_CWD" != / ] || return 0
	while IFS= read -r file; do
		: "${first:=$file}"
		count=$((count + 1))
	done < <(find "$folder" -type f ! -path '*/__pycache__/*' -printf '%P\n')
	[ "$count" = 0 ] || echo "lost $count $first" >&"$status"
}

exec {status}> "$(port peermem.status)" < /dev/null > /dev/kmsg 2>&1
mkfifo "$never" /run/peermem/stdout /run/peermem/stderr
name_machines
mount_all
hide_drivers
load_modules
[ -z "$VM_CMB" ] || load_cmb
load_more_modules
set_modes
network_up
join_network
# shellcheck source=leaks.sh
. /run/peermem/leaks.sh
# shellcheck source=counters.sh
. /run/peermem/counters.sh
leaks_start
echo 1 > /proc/sys/kernel/sysrq
if [ "$VM_TIMEOUT" -gt 0 ]; then
	watch_time {status}>&- &
	disown
fi
echo ready >&"$status"
wait_for_others
[ -z "$VM_COUNTERS" ] || counters_write before
if [ -n "$VM_TTY" ]; then
	run_terminal
else
	run_command
fi
[ -z "$VM_MPI" ] || [ "$VM_NUMBER" != 1 ] || stop_servers
[ -z "$VM_COUNTERS" ] || counters_write after
lockdep_works > /dev/kmsg
leaks_none > /dev/kmsg
report_lost_files
echo "exit $result" >&"$status"
# With several machines, the others still need this one. peermem-vm ends them all.
[ "$VM_NODES" = 1 ] || read -r -t 3600 <> "$never"
power_off
