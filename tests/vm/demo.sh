#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Peer memory at work, in the guest: "./run demo" runs this.
#
#   before  the distribution's own rdma_rxe refuses video memory
#   after   with ib_peer_mem and the extended rdma_rxe, the distribution's own
#           perftest moves data between two processes, both on video memory
#   data    tests/verbs/data_test compares every byte of every operation
#
# Exits 0 only if each of the three is as it should be. That a registration was
# served is read from the exporter's counters: a completion alone proves
# nothing.
#
# usage: demo.sh DATA_TEST

set -u

data_test=$1
here=$(cd "$(dirname "$0")" && pwd)
vram=/dev/peer_vram0
counters=/sys/kernel/mm/memory_peers/peer_vram
iterations=1000
work=$(mktemp -d)
report=()

say()
{
	printf '%s\n' "$*"
}

die()
{
	say "demo: $*"
	exit 1
}

counter()
{
	local value

	read -r value < "$counters/$1" && echo "$value"
}

# Runs perftest program $1, server and client, both on video memory; their
# output goes to $work/server and $work/client. Fails if either fails.
perftest()
{
	local command=("$1" -d rxe0 -F -n "$iterations" --mmap="$vram") n server

	say "  \$ $1 --mmap=$vram &  $1 --mmap=$vram 10.0.0.1"
	"${command[@]}" > "$work/server" 2>&1 &
	server=$!
	for ((n = 0; n < 100; n++)); do
		[ -z "$(ss -Htln 'sport = 18515')" ] || break
		sleep 0.1
	done
	"${command[@]}" 10.0.0.1 > "$work/client" 2>&1
	set -- $?
	wait "$server" && [ "$1" = 0 ]
}

# Prints size and average bandwidth of the last run.
bandwidth()
{
	awk '$1 ~ /^[0-9]+$/ && NF == 5 { print $1, $4 }' "$work/client"
}

before()
{
	say "Before: the distribution's rdma_rxe"
	"$here/rxe.sh" stock || die "cannot load it"
	if perftest ib_write_bw; then
		die "video memory was registered: that is not the stock module"
	fi
	grep -q "allocate MR" "$work/client" || {
		cat "$work/client"
		die "it failed, but not when registering"
	}
	say "  $(grep -m 1 "allocate MR" "$work/client"):" \
		"$(dmesg | grep -o 'rxe_reg_user_mr: returned err = .*' |
			tail -n 1)"
	report+=("before  ib_write_bw  refused: $(grep -m 1 "allocate MR" \
		"$work/client")")
}

after()
{
	local program size rate mrs

	say "After: ib_peer_mem and the extended rdma_rxe"
	"$here/rxe.sh" extended || die "cannot load them"
	for program in ib_write_bw ib_read_bw ib_send_bw; do
		mrs=$(counter num_alloc_mrs)
		if ! perftest "$program"; then
			cat "$work/client"
			die "$program failed"
		fi
		read -r size rate < <(bandwidth) || die "$program said nothing"
		mrs=$(($(counter num_alloc_mrs) - mrs))
		[ "$mrs" -ge 2 ] || die "peer_vram served $mrs registrations"
		say "  $rate MB/s with messages of $size bytes;" \
			"peer_vram served $mrs registrations"
		report+=("$(printf 'after   %-11s  %8s MB/s, %s bytes, %s' \
			"$program" "$rate" "$size" "both ends in video memory")")
	done
	[ "$(counter num_alloc_mrs)" = "$(counter num_dealloc_mrs)" ] ||
		die "registrations are left over"
}

data()
{
	local passed

	say "Data: every byte of every operation, host and video memory"
	"$data_test" -v host_vram -v vram_host -v vram_vram \
		> "$work/data" 2>&1 || {
			grep -v '^ok' "$work/data"
			die "the data check failed"
		}
	passed=$(grep -c '^ok ' "$work/data")
	[ "$passed" -gt 0 ] || die "nothing was checked"
	say "  $passed checks, all bytes right"
	report+=("data    $passed checks, all bytes right")
}

trap 'rm -rf "$work"' EXIT
before
after
data
say ""
say "Report: Soft-RoCE of Linux $(uname -r), $(nproc) processors"
printf '  %s\n' "${report[@]}"
