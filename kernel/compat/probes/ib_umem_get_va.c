// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ib_umem_get_va() pins memory of the process. Before: its name is ib_umem_get(). */
#include <linux/mm.h>
#include <rdma/ib_umem.h>

static struct ib_umem *(*probe)(struct ib_device *ibdev, unsigned long addr, size_t size,
				int access) __used = ib_umem_get_va;
