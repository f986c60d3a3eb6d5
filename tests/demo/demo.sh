#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Peer memory at work, in the guest: "./run demo" runs this.
#
#   before  the distribution's own rdma_rxe refuses video memory
#   after   with ib_peer_mem and the extended rdma_rxe, the distribution's own
#           perftest moves data between two processes, both on video memory
#   data    tests/verbs/data_test compares every byte of every operation
#   paging  an on-demand registration of video memory, whose pages are moved and
#           evicted under traffic (moving.c), with live counters
#
# Exits 0 only if each of the four is as it should be. That a registration was
# served is read from the exporter's counters and the core's tracepoints: a
# completion alone proves nothing.
#
# usage: demo.sh DATA_TEST MOVING

set -u

data_test=$1
moving=$2
here=$(cd "$(dirname "$0")" && pwd)
rxe=$here/../vm/rxe.sh
node=/dev/peer_vram0
counters=/sys/kernel/mm/memory_peers/peer_vram
tracing=/sys/kernel/tracing
seconds=15
work=$(mktemp -d)
report=()

# shellcheck source=lib.sh
. "$here/lib.sh"

before()
{
	say "Before: the distribution's rdma_rxe"
	"$rxe" stock || die "cannot load it"
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
	local program

	say "After: ib_peer_mem and the extended rdma_rxe"
	"$rxe" extended || die "cannot load them"
	for program in ib_write_bw ib_read_bw ib_send_bw; do
		show_perftest "$program" after "both ends in video memory"
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

# Times that pages were brought on access. Pinned registrations never do that.
faults()
{
	grep -c 'ib_peer_fault: .* ret=0$' "$tracing/trace"
}

paging()
{
	local invalidations

	say "Paging: registered on demand, moved and evicted under traffic"
	echo 1 > "$tracing/events/ib_peer_mem/ib_peer_fault/enable"
	perftest ib_write_bw --odp || {
		cat "$work/client"
		die "ib_write_bw --odp failed"
	}
	echo 0 > "$tracing/events/ib_peer_mem/ib_peer_fault/enable"
	[ "$(faults)" -ge 2 ] || die "no pages were brought: not on demand"
	say "  pages were brought on access, by $(faults) page faults"

	invalidations=$(counter num_invalidations)
	"$moving" "$seconds" | tee "$work/moving"
	[ "${PIPESTATUS[0]}" = 0 ] || die "that was not as it should be"
	invalidations=$(($(counter num_invalidations) - invalidations))
	[ "$invalidations" -gt 0 ] || die "peer_vram took nothing away"
	say "  peer_vram took its pages away $invalidations times"
	report+=("$(awk '$1 ~ /^[0-9]+$/ && NF == 8 { faults = $4; moves = $6
			evictions = $7 }
		/bytes compared/ { printf "paging  %d page faults, %d moves, " \
			"%d evictions; %s bytes compared, %s wrong", faults,
			moves, evictions, $1, $4 }' "$work/moving")")
}

trap 'rm -rf "$work"' EXIT
before
after
data
paging
say ""
say "Report: Soft-RoCE of Linux $(uname -r), $(nproc) processors"
printf '  %s\n' "${report[@]}"
