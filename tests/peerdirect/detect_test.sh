#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What communication libraries look at to learn whether device memory can be
# registered, with the clients there and without: the very paths and symbols.
#
# usage: detect_test.sh MODULES, in the guest; MODULES: where the test modules are

modules=$1
peers=/sys/kernel/mm/memory_peers
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

# Loads the clients of the products named.
with_clients()
{
	rmmod peerdirect_clients 2> /dev/null
	[ $# = 0 ] || insmod "$modules/peerdirect_clients.ko" \
		like="$(IFS=,; echo "$*")"
}

# ---- each library's own question ----

nccl()
{
	cat $peers/nv_mem/version $peers/nv_mem_nc/version \
		/sys/module/nvidia_peermem/version 2> /dev/null
}

rccl()
{
	cat $peers/amdkfd/version /sys/kernel/memory_peers/amdkfd/version \
		/sys/memory_peers/amdkfd/version 2> /dev/null
}

# RCCL's, where it finds no file, and libfabric's: in any case, and that alone.
kernel_has()
{
	grep -o -w -e "[tT] $1" /proc/kallsyms | sort -u
}

# What UCX says it would register with RDMA devices, after its own checks.
ucx()
{
	"$work/ucx_types" | sort -u | xargs
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc "$(dirname "$0")/ucx_types.c" -o "$work/ucx_types" -luct -lucs

[ -d /sys/module/peer_test_mem ] || insmod "$modules/peer_test_mem.ko"

with_clients
tap_is "without clients: NCCL finds nothing" "$(nccl)" ""
tap_is "without clients: RCCL finds nothing" "$(rccl)" ""
tap_is "the symbol is there: RCCL, libfabric" \
	"$(kernel_has ib_register_peer_memory_client)" \
	"T ib_register_peer_memory_client"
tap_is "so is that of dma-bufs: libfabric" \
	"$(kernel_has ib_umem_dmabuf_get)" "T ib_umem_dmabuf_get"
tap_is "without clients: UCX registers memory of the system" "$(ucx)" host

with_clients nv_peer_mem
tap_is "nv_peer_mem: NCCL finds both of its clients" "$(nccl)" "1.3-0
1.3-0"
tap_is "and UCX memory of CUDA, too" "$(ucx)" "cuda host"
with_clients nvidia-peermem
tap_is "nvidia-peermem: NCCL finds it" "$(nccl)" 595.45.04
tap_is "so does UCX" "$(ucx)" "cuda host"
with_clients amdgpu
tap_is "amdgpu: RCCL finds it" "$(rccl)" 1.0
tap_is "but NCCL nothing" "$(nccl)" ""
with_clients nv_peer_mem amdgpu
tap_is "both: each finds its own" "$(nccl | wc -l) $(rccl | wc -l)" "2 1"

# ---- every file that is there of a client ----

tap_is "a client's files" "$(cd $peers/amdkfd && echo *)" \
	"num_alloc_mrs num_dealloc_mrs num_dereg_bytes num_dereg_pages num_faults \
num_free_callbacks num_invalidations num_reg_bytes num_reg_pages version"
tap_is "anybody may read them" \
	"$(stat -c %A $peers/amdkfd/* | sort -u)" "-r--r--r--"
with_clients
tap_is "they go with the client" "$(cd $peers && ls -d nv_mem* amdkfd 2> /dev/null)" ""

tap_done
