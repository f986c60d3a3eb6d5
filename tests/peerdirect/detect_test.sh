#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# How communication libraries detect that device memory can be registered: the same
# paths and symbols, with and without registered clients.
#
# usage: detect_test.sh MODULES, in the guest; MODULES: directory of test modules

modules=$1
peers=/sys/kernel/mm/memory_peers
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

# Loads the clients of the given products.
with_clients()
{
	rmmod peerdirect_clients 2> /dev/null
	[ $# = 0 ] || insmod "$modules/peerdirect_clients.ko" \
		like="$(IFS=,; echo "$*")"
}

# ---- the check of each library ----

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

# RCCL does this if it finds no file; libfabric does only this.
kernel_has()
{
	awk -v name="$1" '$3 == name { print $2, $3 }' /proc/kallsyms | sort -u
}

# The memory types that UCX would register with RDMA devices.
ucx()
{
	"$work/ucx_types" | sort -u | xargs
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc "$(dirname "$0")/ucx_types.c" -o "$work/ucx_types" -luct -lucs

[ -d /sys/module/peer_test_mem ] || insmod "$modules/peer_test_mem.ko"

with_clients
tap_is "without clients, NCCL finds nothing" "$(nccl)" ""
tap_is "without clients, RCCL finds nothing" "$(rccl)" ""
tap_is "RCCL and libfabric find the symbol" \
	"$(kernel_has ib_register_peer_memory_client)" \
	"T ib_register_peer_memory_client"
tap_is "libfabric finds the symbol of dma-bufs" \
	"$(kernel_has ib_umem_dmabuf_get)" "T ib_umem_dmabuf_get"
tap_is "without clients, UCX registers system memory only" "$(ucx)" host

with_clients nv_peer_mem
tap_is "nv_peer_mem: NCCL finds its two clients" "$(nccl)" "1.3-0
1.3-0"
tap_is "nv_peer_mem: UCX also registers CUDA memory" "$(ucx)" "cuda host"
with_clients nvidia-peermem
tap_is "nvidia-peermem: NCCL finds it" "$(nccl)" 595.45.04
tap_is "nvidia-peermem: UCX also registers CUDA memory" "$(ucx)" "cuda host"
with_clients amdgpu
tap_is "amdgpu: RCCL finds it" "$(rccl)" 1.0
tap_is "amdgpu: NCCL finds nothing" "$(nccl)" ""
with_clients nv_peer_mem amdgpu
tap_is "nv_peer_mem and amdgpu: each library finds its clients" \
	"$(nccl | wc -l) $(rccl | wc -l)" "2 1"

# ---- all files of a client ----

tap_is "files of a client" "$(cd $peers/amdkfd && echo *)" \
	"num_alloc_mrs num_dealloc_mrs num_dereg_bytes num_dereg_pages num_faults \
num_free_callbacks num_invalidations num_reg_bytes num_reg_pages version"
tap_is "all users may read the files" \
	"$(stat -c %A $peers/amdkfd/* | sort -u)" "-r--r--r--"
with_clients
tap_is "unregistration removes the files" \
	"$(cd $peers && ls -d nv_mem* amdkfd 2> /dev/null)" ""

tap_done
