#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Process 1 of the guest, after init has mounted the root file system. Loads the
# modules, brings up rxe0, runs the command, and reports its exit status to the
# host.
#
# Ports (virtio-serial, by name):
#   peermem.status  to the host, one message a line: "ready", then "exit N". The
#                   host takes only "exit N" as a regular end
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

network_up()
{
	local why

	# shellcheck source=rxe.sh
	. "$VM_PROJECT/tests/vm/rxe.sh"
	ip link set lo up
	ip link set eth0 up
	ip address add "10.0.0.$VM_NUMBER/24" dev eth0 ||
		die "cannot set the address of eth0"
	why=$(rxe_up 2>&1) || die "rxe0 does not come up: ${why//$'\n'/; }"
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

set_environment()
{
	export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8
	export TERM=${VM_TERM:-dumb} PS1='\h:\w\$ '
	export PEERMEM_OUT=/run/peermem/out
	export PEERMEM_BUILD=$VM_BUILD PEERMEM_MODULES=$VM_KERNEL_BUILD
	ulimit -l unlimited
	ulimit -n 1048576
}

run_command()
{
	local args

	mapfile -d '' args < /run/peermem/args
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
		exec {status}>&- < /dev/null > /run/peermem/stdout
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

	mapfile -d '' args < /run/peermem/args
	# The shell's profiles are slow under emulation, and are for the host.
	[ ${#args[@]} = 0 ] && args=(bash --noprofile --norc)
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

exec {status}> "$(port peermem.status)" < /dev/null > /dev/kmsg 2>&1
[ "$VM_NUMBER" = 1 ] || name=peermem$VM_NUMBER
echo "${name-peermem}" > /proc/sys/kernel/hostname
mkfifo "$never" /run/peermem/stdout /run/peermem/stderr
echo "127.0.1.1 peermem" >> /etc/hosts
mount_all
hide_drivers
load_modules
network_up
# shellcheck source=leaks.sh
. "$VM_PROJECT/tests/vm/leaks.sh"
leaks_start
echo 1 > /proc/sys/kernel/sysrq
if [ "$VM_TIMEOUT" -gt 0 ]; then
	watch_time {status}>&- &
	disown
fi
echo ready >&"$status"
if [ -n "$VM_TTY" ]; then
	run_terminal
else
	run_command
fi
lockdep_works > /dev/kmsg
leaks_none > /dev/kmsg
echo "exit $result" >&"$status"
power_off
