/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Claims that are released immediately, to find out whether a range can be registered.
 */
#ifndef IB_PEER_PROBE_H
#define IB_PEER_PROBE_H

#include <rdma/ib_umem_peer.h>

struct ib_peer_export;

/*
 * struct ib_peer_probe_device - what a probe is for
 * @ibdev:         the importer; NULL: none yet
 * @dma_device:    the device that does its DMA; NULL: it is a CPU importer
 * @non_revocable: it pins, and cannot stop its DMA
 */
struct ib_peer_probe_device {
	struct ib_device *ibdev;
	struct device *dma_device;
	bool non_revocable;
};

struct ib_umem_peer *
ib_umem_peer_probe_begin(const struct ib_peer_probe_device *device,
			 struct mm_struct *mm, unsigned long addr, size_t size,
			 int access, char *name);
int ib_umem_peer_probe(struct ib_umem_peer *peer, unsigned long start,
		       unsigned long end, bool writable);
void ib_umem_peer_probe_end(struct ib_umem_peer *peer);
int ib_peer_probe_export(struct ib_peer_export *export, struct ib_device *ibdev,
			 u64 offset, size_t size, bool writable);

#endif
