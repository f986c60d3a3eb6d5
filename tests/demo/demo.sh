#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Demonstrates peer memory, in the guest. "./run demo" runs this.
#
#   before  the distribution's rdma_rxe cannot register video memory
#   after   with ib_peer_mem and the extended rdma_rxe, the distribution's perftest
#           transfers data between two processes, both with video memory
#   data    tests/verbs/data_test compares every byte of every operation
#   paging  an on-demand MR on video memory, whose pages are moved and evicted under
#           traffic (moving.c), with live counters
#
# Exits 0 only if all four steps succeed. Counters of the exporter and tracepoints
# of the core show that the exporter served the registrations: a successful
# completion alone does not prove it.
#
# usage: demo.sh DATA_TEST MOVING, the programs

set -u

data_test=$1
moving=$2
here=$(cd "$(dirname "$0")" && pwd)
rxe=$here/../../vm/guest/rxe.sh
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
	"$rxe" stock || die "cannot load the distribution's rdma_rxe"
	if perftest ib_write_bw; then
		die "video memory was registered: this is not the stock module"
	fi
	grep -q "allocate MR" "$work/client" || {
		cat "$work/client"
		die "ib_write_bw failed, but not at the registration"
	}
	say "  $(grep -m 1 "allocate MR" "$work/client"):" \
		"$(dmesg | grep -o 'rxe_reg_user_mr: returned err = .*' |
			tail -n 1)"
	report+=("before  ib_write_bw  failed: $(grep -m 1 "allocate MR" \
		"$work/client")")
}

after()
{
	local program

	say "After: ib_peer_mem and the extended rdma_rxe"
	"$rxe" extended || die "cannot load the modules"
	for program in ib_write_bw ib_read_bw ib_send_bw; do
		show_perftest "$program" after "both sides in video memory"
	done
	[ "$(counter num_alloc_mrs)" = "$(counter num_dealloc_mrs)" ] ||
		die "not all registrations were released"
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
	[ "$passed" -gt 0 ] || die "the data check ran no tests"
	say "  $passed tests passed, all bytes correct"
	report+=("data    $passed tests passed, all bytes correct")
}

# Prints the number of successful faults. Pinned MRs never fault.
faults()
{
	grep -c 'ib_peer_fault: .* ret=0$' "$tracing/trace"
}

paging()
{
	local invalidations

	say "Paging: on-demand MR; its pages move and are evicted under traffic"
	echo 1 > "$tracing/events/ib_peer_mem/ib_peer_fault/enable"
	perftest ib_write_bw --odp || {
		cat "$work/client"
		die "ib_write_bw --odp failed"
	}
	echo 0 > "$tracing/events/ib_peer_mem/ib_peer_fault/enable"
	[ "$(faults)" -ge 2 ] || die "no page faults: the MR is not on demand"
	say "  pages were faulted in on access, by $(faults) page faults"

	invalidations=$(counter num_invalidations)
	"$moving" "$seconds" | tee "$work/moving"
	[ "${PIPESTATUS[0]}" = 0 ] || die "the traffic failed"
	invalidations=$(($(counter num_invalidations) - invalidations))
	[ "$invalidations" -gt 0 ] || die "peer_vram invalidated no pages"
	say "  peer_vram sent $invalidations invalidations"
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
