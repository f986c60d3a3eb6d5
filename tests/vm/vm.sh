#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in a virtual machine that has the project's modules loaded and
# an RDMA device up. "./run vm" is this program; --help says how to use it.
#
# How it works
#   The guest boots the distribution's package kernel. Its root is the host's
#   own root file system, read-only over 9p under a tmpfs, so every installed
#   program and the project itself are there at the same path. tests/vm/init
#   runs in the initrd, tests/vm/guest.sh is process 1 after it.
#
# What holds
#   Fails closed: without "exit N" on the status port the result is a failure,
#   and so it is with any line in the kernel log that is a complaint
#   (complaints.sh).
#   The command's output travels on ports of its own and is never mixed with
#   the kernel's messages. Whatever ends this program ends the guest.

set -euo pipefail

VM_FAIL_KERNEL=123	# a warning or worse in the kernel log
VM_FAIL_TIMEOUT=124
VM_FAIL_MACHINE=125	# did not boot, died, or could not even start

VM_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_PROJECT=$(cd "$VM_HERE/../.." && pwd)
VM_BUILD=${PEERMEM_BUILD:-$VM_PROJECT/build}
VM_CACHE=$VM_BUILD/vm

# shellcheck source=complaints.sh
. "$VM_HERE/complaints.sh"
# shellcheck source=kernel.sh
. "$VM_HERE/kernel.sh"
# shellcheck source=accel.sh
. "$VM_HERE/accel.sh"

usage()
{
	cat << 'END'
Usage: ./run vm [OPTION...] [--] [COMMAND [ARGUMENT...]]

Boots a virtual machine, loads the project's modules, brings up the RDMA device
rxe0 on 10.0.0.1/24 (GID index 1 is RoCE v2), and runs COMMAND in it: as root,
in the current folder, with its arguments as they are. The output appears as it
is written, and the exit status is that of COMMAND. Without COMMAND: a shell.

The guest sees the host's file system read-only. It can write anywhere, but only
what it puts into the folder $PEERMEM_OUT stays (see --keep).

  --stock         the distribution's rdma_rxe and none of our modules
  --debug         a kernel that looks for mistakes (KASAN, lockdep, kmemleak and
                  more), built from the distribution's source: once, ten minutes
                  on two processors. Everything is slower, some of it ten times
  --kcsan         another one, that looks for data races
  --mem SIZE      memory of the guest, e.g. 4G (default 2G; of these: 4G)
  --smp N         processors (default 2)
  --iommu         with an emulated IOMMU, switched on
  --switch        the first NVMe controller and "edu" below a PCI Express switch
  --link DIR:N    machine N, 1 or 2, of two on a private network: it is 10.0.0.N,
                  and the other must be started with the same DIR
  --icount        count instructions instead of time: measurements repeat
                  exactly, on an emulated processor, and slowly
  --timeout S     give up after S seconds, 0 for never (default 600; a shell
                  has no limit)
  --keep DIR      keep in DIR: kernel.log, out/ ($PEERMEM_OUT in the guest) and
                  vram, the bytes behind the memory of /dev/peer_vram0
  --tty           run COMMAND on the terminal
  --no-build      take the modules as they are in the build folder
  --verbose       show the kernel's messages on standard error
  -h, --help      this text

The shell, and COMMAND with --tty: Ctrl-] then x ends the machine at once.
Without --tty, COMMAND has no standard input.

Devices: a PCI device with 256 MiB of memory (ivshmem, our VRAM), an NVMe
controller with a 64 MiB controller memory buffer and a disk of 64 MiB, QEMU's
"edu" DMA engine, a network card, and three more NVMe controllers: an old one
whose buffer has 2 MiB, one without a disk, and one without a buffer.

Exit status: that of COMMAND, or
  123  the kernel complained (WARNING, BUG, lockdep, ...): see the lines printed
  124  timed out
  125  the machine did not come up, died, or a process in it could not be ended

Environment: PEERMEM_BUILD is the build folder (default: build, in the project).
END
}

vm_say()
{
	echo "vm: $*" >&2
}

vm_die()
{
	vm_say "$*"
	exit $VM_FAIL_MACHINE
}

vm_usage_error()
{
	vm_say "$*"
	vm_say "try './run vm --help'"
	exit $VM_FAIL_MACHINE
}

parse_options()
{
	VM_STOCK='' VM_TTY='' mem='' smp=2 iommu='' icount='' switch='' timeout='' keep=''
	verbose='' link=''
	while [ $# -gt 0 ]; do
		case $1 in
		--mem|--smp|--timeout|--keep|--link)
			[ $# -ge 2 ] || vm_usage_error "$1 needs a value"
			printf -v "${1#--}" %s "$2"
			shift
			;;
		--mem=*|--smp=*|--timeout=*|--keep=*|--link=*)
			set -- "${1%%=*}" "${1#*=}" "${@:2}"
			continue
			;;
		--stock) VM_STOCK=1 ;;
		--iommu) iommu=1 ;;
		--switch) switch=1 ;;
		--icount) icount=1 ;;
		--tty) VM_TTY=1 ;;
		--no-build|--debug|--kcsan) ;;	# for ./run
		--verbose) verbose=1 ;;
		-h|--help) usage; exit 0 ;;
		--) shift; break ;;
		-*) vm_usage_error "unknown option $1" ;;
		*) break ;;
		esac
		shift
	done
	command=("$@")
	[ ${#command[@]} -gt 0 ] || VM_TTY=1
	[[ $smp =~ ^[1-9][0-9]*$ ]] || vm_usage_error "--smp $smp: not a number"
	# Such a kernel keeps a book about every byte.
	[ -n "$mem" ] || if [ -n "$(vm_kernel_root)" ]; then mem=4G; else mem=2G; fi
	[[ $mem =~ ^[1-9][0-9]*[MG]$ ]] ||
		vm_usage_error "--mem $mem: not like 512M or 2G"
	[ -z "$link" ] || [[ $link =~ ^.+:[12]$ ]] ||
		vm_usage_error "--link $link: not like DIR:1 or DIR:2"
	machine_number=1
	[ -z "$link" ] || machine_number=${link##*:}
	if [ ${#command[@]} -gt 0 ]; then
		timeout=${timeout:-600}
	else
		timeout=${timeout:-0}
	fi
	[[ $timeout =~ ^[0-9]+$ ]] ||
		vm_usage_error "--timeout $timeout: not a number of seconds"
	if [ -n "$VM_TTY" ] && ! [ -t 0 ]; then
		vm_usage_error "a terminal is needed for a shell; give a COMMAND"
	fi
}

# Without our modules the guest would take the distribution's, and not say so.
need_modules()
{
	[ -z "$VM_STOCK" ] || return 0
	[ -f "$VM_BUILD/kernel/rxe/rdma_rxe.ko" ] ||
		vm_die "the modules are not built in $VM_BUILD: './run build'" \
			"does that; or use --stock for the distribution's"
}

# The run's folder: --keep's, or a temporary one.
make_folder()
{
	if [ -n "$keep" ]; then
		mkdir -p "$keep"
		dir=$(cd "$keep" && pwd)
	else
		dir=$(mktemp -d "${TMPDIR:-/tmp}/peermem-vm.XXXXXX")
	fi
	# Not in $dir, which may be on a file system without FIFOs.
	fifos=$(mktemp -d "${TMPDIR:-/tmp}/peermem-vm.XXXXXX")
	mkdir -p "$dir/out"
	rm -f "$dir/kernel.log" "$dir/vram"
	: > "$dir/kernel.log"
	truncate -s 256M "$dir/vram"
	truncate -s 64M "$fifos/nvme"
	truncate -s 8M "$fifos/nvme-old"
	mkfifo "$fifos"/{status,out,err}
}

# Makes modprobe take our modules from the build folder. Said here and not by the
# guest, where every command costs 50 ms in emulation.
prefer_built_modules()
{
	local ko name depends

	for ko in "$VM_BUILD"/kernel/*/*.ko; do
		[ -e "$ko" ] || continue
		name=${ko##*/} name=${name%.ko}
		depends=$(modinfo -F depends "$ko")
		echo "install $name ${depends:+modprobe -qa ${depends//,/ } &&}" \
			"insmod $ko \$CMDLINE_OPTS"
	done
}

# The initrd of this run: the base, our two programs, and what they must know.
make_initrd()
{
	local extra=$fifos/extra size rows columns merge

	mkdir "$extra"
	cp "$VM_HERE/init" "$VM_HERE/guest.sh" "$extra/"
	chmod 755 "$extra/init"
	: > "$extra/args"
	[ ${#command[@]} = 0 ] || printf '%s\0' "${command[@]}" > "$extra/args"
	rows='' columns='' merge=''
	# What goes to one place keeps its order only as one stream.
	[ ! /dev/stdout -ef /dev/stderr ] || merge=1
	if [ -n "$VM_TTY" ]; then
		size=$(stty size)
		rows=${size% *} columns=${size#* }
	fi
	{
		printf '%s=%q\n' VM_KERNEL "$kernel" VM_PROJECT "$VM_PROJECT" \
			VM_BUILD "$VM_BUILD" VM_KERNEL_BUILD "$VM_BUILD/kernel" \
			VM_MODULES "$VM_KERNEL_DIR/lib/modules/$kernel" \
			VM_STOCK "$VM_STOCK" VM_TTY "$VM_TTY" \
			VM_TIMEOUT "$timeout" VM_TERM "${TERM-}" \
			VM_ROWS "$rows" VM_COLUMNS "$columns" VM_CWD "$PWD" \
			VM_MERGE "$merge" VM_NUMBER "$machine_number" \
			VM_PROBE ''
	} > "$extra/vm.conf"
	prefer_built_modules > "$extra/modprobe.conf"
	cp "$VM_KERNEL_DIR/initrd" "$fifos/initrd"
	(cd "$extra" && find . | cpio --quiet -o -H newc -R 0:0) \
		>> "$fifos/initrd"
}

add_port()
{
	qemu+=(-chardev "file,id=$1,path=$fifos/$1"
		-device "virtserialport,chardev=$1,name=peermem.$1")
}

# QEMU's monitor (QMP) as a port of the guest, whose tests plug and unplug devices.
# shellcheck disable=SC2054	# the commas are QEMU's
add_monitor()
{
	qemu+=(-chardev "socket,id=qmp,path=$fifos/qmp,server=on,wait=off"
		-mon chardev=qmp,mode=control
		-chardev "socket,id=monitor,path=$fifos/qmp"
		-device virtserialport,chardev=monitor,name=peermem.monitor)
}

# Sets net: to nowhere, or to the other machine, whether it is there yet or not.
# What is sent before is lost.
# shellcheck disable=SC2054	# the commas are QEMU's
compose_network()
{
	local folder=${link%:*} mac=52:54:00:12:34:5$machine_number

	net=(-netdev "user,id=net0,restrict=on")
	if [ -n "$link" ]; then
		mkdir -p "$folder"
		net=(-netdev "dgram,id=net0,local.type=unix,remote.type=unix,\
local.path=$folder/$machine_number,remote.path=$folder/$((3 - machine_number))")
	fi
	net+=(-device "virtio-net-pci,netdev=net0,mac=$mac")
}

# NVMe controllers beside the one that can be unplugged; tests/cmb knows their order.
# The disk of the old one is broken at 7 MiB.
# shellcheck disable=SC2054	# the commas are QEMU's
add_other_nvme()
{
	local broken=file.driver=blkdebug,file.image.driver=file

	broken+=,file.inject-error.0.event=none,file.inject-error.0.sector=14336
	qemu+=(-blockdev "raw,node-name=old,$broken,file.image.filename=$fifos/nvme-old"
		-device nvme,serial=old,drive=old,cmb_size_mb=2,legacy-cmb=on,\
physical_block_size=4096,logical_block_size=4096
		-device nvme,serial=diskless,cmb_size_mb=1
		-device nvme,serial=bufferless)
}

# The ports "bay" and "bench": of the host bridge; or of a switch, then with another
# port below the one of "bench", since QEMU's switch has no access control (ACS).
# shellcheck disable=SC2054	# the commas are QEMU's
add_ports()
{
	# Hot-plug by PCI Express itself, which every kernel of ours knows.
	qemu+=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off)
	if [ -z "$switch" ]; then
		qemu+=(-device pcie-root-port,id=bay,chassis=1)
		bench=pcie.0
		return
	fi
	qemu+=(-device pcie-root-port,id=above,chassis=2
		-device x3130-upstream,id=switch,bus=above
		-device xio3130-downstream,id=bay,bus=switch,chassis=1
		-device xio3130-downstream,id=below,bus=switch,chassis=3,slot=1
		-device pcie-root-port,id=bench,bus=below,chassis=4)
	bench=bench
}

# Fills the array qemu with the whole command line.
# shellcheck disable=SC2054	# the commas are QEMU's
compose_machine()
{
	local append=(console=ttyS0 net.ifnames=0 panic=-1 oops=panic
		mitigations=off init_on_alloc=0 audit=0 lsm=lockdown watchdog_thresh=60
		rcupdate.rcu_cpu_stall_timeout=120 random.trust_cpu=on printk.devkmsg=on)
	local machine=q35 bench

	[ -z "$iommu" ] || {
		machine+=,kernel-irqchip=split
		# What is unmapped is out of reach at once.
		append+=(intel_iommu=on iommu.strict=1)
	}
	qemu=(qemu-system-x86_64 -name peermem -nodefaults -no-user-config
		-no-reboot -display none -monitor none -machine "$machine"
		-m "$mem" -smp "$smp" -kernel "$VM_KERNEL_DIR/vmlinuz"
		-initrd "$fifos/initrd")
	accel_options
	qemu+=("${accel[@]}")
	append+=("${accel_boot[@]}")
	[ -z "$iommu" ] ||
		qemu+=(-device intel-iommu,intremap=on,caching-mode=on)
	qemu+=(-serial "file:$dir/kernel.log"
		-device virtio-serial-pci)
	add_port status
	if [ -n "$VM_TTY" ]; then
		qemu+=(-echr 0x1d -device virtconsole,chardev=tty
			-chardev stdio,id=tty,mux=on,signal=off)
	else
		add_port out
		add_port err
	fi
	qemu+=(-virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap,id=root"
		-virtfs "local,path=$dir/out,mount_tag=out,security_model=none,id=out"
		-object "memory-backend-file,id=vram,size=256M,mem-path=$dir/vram,share=on"
		-device ivshmem-plain,memdev=vram
		-blockdev "raw,node-name=disk,file.driver=file,file.filename=$fifos/nvme")
	add_ports
	qemu+=(-device nvme,id=nvme,bus=bay,serial=peermem,drive=disk,cmb_size_mb=64
		-device "edu,bus=$bench,dma_mask=0xffffffffffffffff")
	add_other_nvme
	add_monitor
	compose_network
	qemu+=("${net[@]}" -append "${append[*]}")
}

# Lets the cats end, after the machine has: by themselves if it had opened their
# FIFOs, else by opening these for a moment.
end_cats()
{
	local cat

	for cat in "${cats[@]}"; do
		while kill -0 "$cat" 2> /dev/null; do
			: <> "$fifos/out" <> "$fifos/err"
			sleep 0.05
		done
	done
	[ ${#cats[@]} = 0 ] || wait "${cats[@]}" || :
}

# shellcheck disable=SC2317	# called by trap
cleanup()
{
	trap - EXIT INT TERM HUP
	if [ -n "${machine_pid-}" ]; then
		kill -KILL "$machine_pid" 2> /dev/null || :
		wait "$machine_pid" 2> /dev/null || :
	fi
	[ -z "${tail_pid-}" ] || kill "$tail_pid" 2> /dev/null || :
	[ -z "${fifos-}" ] || end_cats
	[ -z "${tty_state-}" ] || stty "$tty_state" || :
	[ -z "${fifos-}" ] || rm -rf "$fifos"
	if [ -z "$keep" ] && [ -n "${dir-}" ] && [ -z "${keep_log-}" ]; then
		rm -rf "$dir"
	fi
}

# shellcheck disable=SC2317	# called by trap
interrupted()
{
	cleanup
	vm_say "interrupted"
	exit 130
}

# Keeps the kernel log of a failed run, and only it.
keep_kernel_log()
{
	keep_log=1
	[ -n "$keep" ] || rm -rf "$dir/out" "$dir/vram"
	vm_say "the kernel log is in $dir/kernel.log"
}

start_machine()
{
	cats=()
	if [ -n "$VM_TTY" ]; then
		tty_state=$(stty -g)
		"${qemu[@]}" <&0 &
	else
		cat "$fifos/out" &
		cats+=($!)
		cat "$fifos/err" >&2 &
		cats+=($!)
		"${qemu[@]}" < /dev/null > "$fifos/qemu.log" 2>&1 &
	fi
	machine_pid=$!
}

# Reads the status port until the end; sets result, and reason for a failure.
# result is empty if the machine ended without telling.
follow_machine()
{
	local alive line part='' started=$SECONDS

	result='' reason=''
	while :; do
		# Asked before reading: what it said last is read, too.
		alive=''
		! kill -0 "$machine_pid" 2> /dev/null || alive=1
		if IFS= read -r -t 0.1 line <&"$status_fd"; then
			line=$part$line part=''
			case $line in
			ready) progress_ready ;;
			exit\ *) result=${line#exit } ;;
			*) reason=$line ;;
			esac
			continue
		fi
		part+=$line	# the time may end in the middle of a line
		[ -n "$alive" ] || return 0
		if [ "$timeout" -gt 0 ] &&
				[ $((SECONDS - started)) -ge "$timeout" ]; then
			reason=timeout
			kill -KILL "$machine_pid"
			return 0
		fi
	done
}

# A machine of the emulator that died before the first program ran: not of anything
# that is tested here. accel.sh knows of what.
lost_at_boot()
{
	[ -z "$result$reason" ] && [ "$accel_name" = emulation ] &&
		[ -s "$dir/kernel.log" ] &&
		! grep -aq 'Run /init as init process' "$dir/kernel.log"
}

run_machine()
{
	progress_start
	start_machine
	follow_machine
	wait "$machine_pid" 2> /dev/null || :
	machine_pid=''
	end_cats
}

progress_start()
{
	started_ms=$(date +%s%3N)
	vm_say "booting $kernel ($accel_name, $smp processors, $mem)"
}

progress_ready()
{
	local ms=$(($(date +%s%3N) - started_ms))

	vm_say "ready after $((ms / 1000)).$((ms % 1000 / 100)) s"
}

# Shows every complaint in the kernel log, and the first with what follows it.
# Fails if there is none.
show_complaints()
{
	local lines first

	lines=$(vm_complaints < "$dir/kernel.log") || return
	vm_say "the kernel complained:"
	cut -d: -f2- <<< "$lines" >&2
	vm_say "the first complaint:"
	first=${lines%%:*}
	sed -n "$first,$((first + 30))p" "$dir/kernel.log" >&2
}

judge()
{
	if [ "$reason" = timeout ]; then
		show_complaints || tail -n 30 "$dir/kernel.log" >&2
		vm_say "timed out after $timeout s"
		keep_kernel_log
		exit $VM_FAIL_TIMEOUT
	fi
	if [ -z "$result" ]; then
		[ ! -s "$fifos/qemu.log" ] || cat "$fifos/qemu.log" >&2
		show_complaints || tail -n 30 "$dir/kernel.log" >&2
		vm_say "${reason:-the machine died}"
		keep_kernel_log
		exit $VM_FAIL_MACHINE
	fi
	if show_complaints; then
		vm_say "the command itself ended with status $result"
		keep_kernel_log
		exit $VM_FAIL_KERNEL
	fi
	exit "$result"
}

follow_kernel_log()
{
	tail -n +1 -f "$dir/kernel.log" >&2 2> /dev/null &
	tail_pid=$!
}

main()
{
	parse_options "$@"
	cats=()
	trap cleanup EXIT
	trap interrupted INT TERM HUP
	need_modules
	kernel=$(vm_kernel_version)
	vm_prepare_kernel "$kernel"
	choose_accel
	make_folder
	make_initrd
	compose_machine
	exec {status_fd}<> "$fifos/status"
	[ -z "$verbose" ] || follow_kernel_log
	run_machine
	if lost_at_boot; then
		vm_say "the machine died while it booted: once more"
		run_machine
	fi
	judge
}

main "$@"
