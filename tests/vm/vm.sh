#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in a virtual machine that has the project's modules loaded and
# an RDMA device up. "./run vm" runs this program; see --help.
#
# Operation
#   The guest boots the installed kernel of the distribution, or a debug kernel. Its
#   root is the root file system of the host, read-only over 9p below a tmpfs. So
#   every installed program and the project have the same path as on the host. A guest
#   of another architecture has a root of its own (cmake/guest-root.sh); the project
#   and the build folder still have the same path.
#   tests/vm/init runs in the initrd, tests/vm/guest.sh is process 1 after it.
#
# Invariants
#   Fails closed: without "exit N" on the status port, the result is a failure. Any
#   kernel warning in the log (kernel_warnings.sh) is a failure too.
#   The output of the command has ports of its own and is never mixed with kernel
#   messages. The guest ends when this program ends, for whatever reason.

set -euo pipefail

VM_FAIL_KERNEL=123	# a kernel warning in the log
VM_FAIL_TIMEOUT=124
VM_FAIL_MACHINE=125	# did not start or boot, crashed, or is stuck

VM_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_PROJECT=$(cd "$VM_HERE/../.." && pwd)
VM_BUILD=${PEERMEM_BUILD:-$VM_PROJECT/build}
VM_CACHE=$VM_BUILD/vm

# shellcheck source=kernel_warnings.sh
. "$VM_HERE/kernel_warnings.sh"
# shellcheck source=kernel.sh
. "$VM_HERE/kernel.sh"
# shellcheck source=accel.sh
. "$VM_HERE/accel.sh"
# shellcheck source=machine.sh
. "$VM_HERE/machine.sh"
# shellcheck source=../../cmake/arch.sh
. "$VM_PROJECT/cmake/arch.sh"

usage()
{
	cat << 'END'
Usage: ./run vm [OPTION...] [--] [COMMAND [ARGUMENT...]]

Boots a virtual machine, loads the project's modules, brings up the RDMA device
rxe0 on 10.0.0.1/24 (GID index 1 is RoCE v2), and runs COMMAND in it: as root,
in the current folder, with its arguments unchanged. Output appears immediately.
The exit status is that of COMMAND. Without COMMAND, it runs a shell.

The guest sees the file system of the host read-only. It can write anywhere, but
only files in the folder $PEERMEM_OUT are kept (see --keep).

  --stock         the distribution's rdma_rxe, and no modules of the project
  --debug         the debug kernel (KASAN, lockdep, kmemleak and more). It is built
                  once from the distribution's source, in 15 minutes on two
                  processors. Everything is slower, some operations ten times
  --kcsan         the kcsan kernel, which detects data races; likewise
  --mem SIZE      memory of the guest, e.g. 4G (default 2G; debug, kcsan: 4G)
  --smp N         number of processors (default 2)
  --iommu         emulate an IOMMU and enable it
  --switch        put the first NVMe controller and "edu" below a PCI Express
                  switch
  --link DIR:N    be machine N (1 or 2) of two on a private network, with the
                  address 10.0.0.N; start the other one with the same DIR
  --icount        count instructions instead of time: measurements are exactly
                  repeatable, but slow; always emulation
  --timeout S     give up after S seconds; 0: never (default 600; shell: 0)
  --keep DIR      keep in DIR: kernel.log and out/ ($PEERMEM_OUT in the guest)
  --vram FILE     create FILE: the host sees in it what the memory of /dev/peer_vram0
                  has; this is slower
  --tty           run COMMAND on the terminal
  --no-build      use the modules in the build folder without building
  --verbose       print kernel messages on standard error
  -h, --help      print this text

Shell, and COMMAND with --tty: Ctrl-] then x ends the machine immediately.
Without --tty, COMMAND has no standard input.

Devices: a PCI device with 256 MiB of memory (ivshmem; VRAM of peer_vram), an NVMe
controller with a 64 MiB controller memory buffer and a disk of 64 MiB, QEMU's
"edu" DMA engine, a network card, and three more NVMe controllers: one with an
old-style (legacy) buffer of 2 MiB, one without a disk, and one without a buffer.

Exit status: that of COMMAND, or
  123  kernel warnings (WARNING, BUG, lockdep, ...); they are printed
  124  timeout
  125  the machine did not boot or crashed, or a process in it does not end

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
	vm_say "see './run vm --help'"
	exit $VM_FAIL_MACHINE
}

parse_options()
{
	VM_STOCK='' VM_TTY='' mem='' smp=2 iommu='' icount='' switch='' timeout='' keep=''
	verbose='' link='' vram=''
	while [ $# -gt 0 ]; do
		case $1 in
		--mem|--smp|--timeout|--keep|--link|--vram)
			[ $# -ge 2 ] || vm_usage_error "$1 needs a value"
			printf -v "${1#--}" %s "$2"
			shift
			;;
		--mem=*|--smp=*|--timeout=*|--keep=*|--link=*|--vram=*)
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
	[[ $smp =~ ^[1-9][0-9]*$ ]] ||
		vm_usage_error "invalid --smp '$smp': expected a number from 1"
	# KASAN and KCSAN need memory of their own.
	[ -n "$mem" ] || if [ -n "$(vm_kernel_root)" ]; then mem=4G; else mem=2G; fi
	[[ $mem =~ ^[1-9][0-9]*[MG]$ ]] ||
		vm_usage_error "invalid --mem '$mem': expected a number and M or G," \
			"such as 512M or 2G"
	[ -z "$link" ] || [[ $link =~ ^.+:[12]$ ]] ||
		vm_usage_error "invalid --link '$link': expected DIR:1 or DIR:2"
	machine_number=1
	[ -z "$link" ] || machine_number=${link##*:}
	if [ ${#command[@]} -gt 0 ]; then
		timeout=${timeout:-600}
	else
		timeout=${timeout:-0}
	fi
	[[ $timeout =~ ^[0-9]+$ ]] ||
		vm_usage_error "invalid --timeout '$timeout': expected seconds," \
			"or 0 for no limit"
	if [ -n "$VM_TTY" ] && ! [ -t 0 ]; then
		vm_usage_error "a shell and --tty need a terminal;" \
			"give a COMMAND without --tty"
	fi
}

# Without the project's modules, the guest would silently load the distribution's.
need_modules()
{
	[ -z "$VM_STOCK" ] || return 0
	[ -f "$VM_BUILD/kernel/rxe/rdma_rxe.ko" ] ||
		vm_die "no modules in $VM_BUILD; build them with './run build'," \
			"or use --stock for the distribution's"
}

# Creates the folder for the results (--keep, or a temporary one) and one for FIFOs.
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
	rm -f "$dir/kernel.log"
	: > "$dir/kernel.log"
	[ -z "$vram" ] || rm -f "$vram"
	truncate -s 64M "$fifos/nvme"
	truncate -s 8M "$fifos/nvme-old"
	mkfifo "$fifos"/{status,out,err}
}

# Prints rules that make modprobe load the modules of the build folder. The host
# creates them, because in the guest each command takes 50 ms under emulation.
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

# Creates the initrd of this run: the base initrd, init, guest.sh and their
# configuration.
make_initrd()
{
	local extra=$fifos/extra size rows columns merge

	mkdir "$extra"
	cp "$VM_HERE/init" "$VM_HERE/guest.sh" "$extra/"
	chmod 755 "$extra/init"
	: > "$extra/args"
	[ ${#command[@]} = 0 ] || printf '%s\0' "${command[@]}" > "$extra/args"
	rows='' columns='' merge=''
	# stdout and stderr of one file keep their order only as one stream.
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
			VM_HOST "${VM_ROOT:+host}" VM_PROBE ''
	} > "$extra/vm.conf"
	prefer_built_modules > "$extra/modprobe.conf"
	cp "$VM_KERNEL_DIR/initrd" "$fifos/initrd"
	(cd "$extra" && find . | cpio --quiet -o -H newc -R 0:0) \
		>> "$fifos/initrd"
}

# Waits for the cats, after the machine has ended. If it never opened their FIFOs,
# opens and closes these, so that the cats read an end of file.
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

# Keeps the kernel log of a failed run. Without --keep, removes all other files.
keep_kernel_log()
{
	keep_log=1
	[ -n "$keep" ] || rm -rf "$dir/out"
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

# Reads the status port until the machine ends. Sets result (exit status of the
# command; empty if it was not reported) and reason (of a failure).
follow_machine()
{
	local alive line part='' started=$SECONDS

	result='' reason=''
	while :; do
		# Check before reading, so that the last message is read too.
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
		part+=$line	# the read may time out in the middle of a line
		[ -n "$alive" ] || return 0
		if [ "$timeout" -gt 0 ] &&
				[ $((SECONDS - started)) -ge "$timeout" ]; then
			reason=timeout
			kill -KILL "$machine_pid"
			return 0
		fi
	done
}

# Did an emulated machine crash before its first program? This is an error of the
# emulator (see accel_options in accel.sh), not of anything under test.
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

# Says what is not there without peermem's provider.
note_provider()
{
	[ -z "$VM_STOCK" ] || return 0
	compgen -G "$VM_BUILD/provider/librxe-rdmav*.so" > /dev/null ||
		vm_say "the provider is not built: no ibv_advise_mr(), ibv_rereg_mr()" \
			"and ibv_reg_dmabuf_mr() for rxe0 (docs/provider.md)"
}

progress_ready()
{
	local ms=$(($(date +%s%3N) - started_ms))

	vm_say "ready after $((ms / 1000)).$((ms % 1000 / 100)) s"
}

# Prints all kernel warnings in the log, and the log from the first one on. Fails if
# there is none.
show_kernel_warnings()
{
	local lines first

	lines=$(vm_kernel_warnings < "$dir/kernel.log") || return
	vm_say "kernel warnings:"
	cut -d: -f2- <<< "$lines" >&2
	vm_say "kernel log from the first warning on:"
	first=${lines%%:*}
	sed -n "$first,$((first + 30))p" "$dir/kernel.log" >&2
}

report_result()
{
	if [ "$reason" = timeout ]; then
		show_kernel_warnings || tail -n 30 "$dir/kernel.log" >&2
		vm_say "timeout after $timeout s"
		keep_kernel_log
		exit $VM_FAIL_TIMEOUT
	fi
	if [ -z "$result" ]; then
		[ ! -s "$fifos/qemu.log" ] || cat "$fifos/qemu.log" >&2
		show_kernel_warnings || tail -n 30 "$dir/kernel.log" >&2
		vm_say "${reason:-the machine crashed}"
		keep_kernel_log
		exit $VM_FAIL_MACHINE
	fi
	if show_kernel_warnings; then
		vm_say "exit status of the command: $result"
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
	VM_ARCH=$(arch_of_packages "$(arch_of_kernel "$kernel")")
	VM_ROOT=$(vm_build_variable PEERMEM_GUEST_ROOT)
	vm_prepare_kernel "$kernel"
	choose_accel
	make_folder
	make_initrd
	compose_machine
	exec {status_fd}<> "$fifos/status"
	[ -z "$verbose" ] || follow_kernel_log
	note_provider
	run_machine
	if lost_at_boot; then
		vm_say "the machine crashed during boot; trying once more"
		run_machine
	fi
	report_result
}

main "$@"
