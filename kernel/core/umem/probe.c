// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Probes: claims that are released immediately, to find out whether exporters
 * allow a registration. Nothing is pinned, counted or traced.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>

#include "hold_point.h"
#include "umem/export.h"
#include "umem/probe.h"
#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/umem_alloc.h"

/*
 * Begins a probe. @name: receives the name of the exporter that replies, at
 * most IB_PEER_MEMORY_NAME_MAX bytes. Return: NULL: out of memory.
 */
struct ib_umem_peer *
ib_umem_peer_probe_begin(const struct ib_peer_probe_device *device,
			 struct mm_struct *mm, unsigned long addr, size_t size,
			 int access, char *name)
{
	struct ib_umem_peer *peer;

	peer = ib_umem_peer_alloc(device->ibdev, mm, addr, size, access);
	if (!peer)
		return NULL;
	peer->probe = name;
	peer->dma_device = device->dma_device;
	peer->non_revocable = device->non_revocable;
	return peer;
}

/*
 * Claims a range and releases it. Return: as ib_peer_region_claim();
 * -EOPNOTSUPP the exporter does not pin.
 */
int ib_umem_peer_probe(struct ib_umem_peer *peer, unsigned long start,
		       unsigned long end, bool writable)
{
	struct ib_peer_region *region;
	int ret = 0;

	*peer->probe = '\0';
	region = ib_peer_region_claim(peer, start, end, writable);
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (!peer->on_demand && !region->exporter->ops->pin)
		ret = -EOPNOTSUPP;
	if (peer->non_revocable && !(region->exporter->flags & IB_PEER_PIN_PERMANENT))
		ret = -EOPNOTSUPP;
	ib_peer_region_discard(region);
	return ret;
}

void ib_umem_peer_probe_end(struct ib_umem_peer *peer)
{
	ib_umem_peer_release_regions(peer);
	ib_umem_peer_free(peer);
}

/* ---- exported ranges ---- */

/*
 * Return: the end of the mapping at @start, or of the gap before the next
 * one. Each mapping, such as adjacent buffers, is claimed separately.
 */
static unsigned long export_piece_end(struct mm_struct *mm, unsigned long start,
				      unsigned long end)
{
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = find_vma(mm, start);
	if (vma)
		end = min(end, vma->vm_start > start ? vma->vm_start : vma->vm_end);
	mmap_read_unlock(mm);
	return end;
}

static int probe_export_pieces(struct ib_umem_peer *probe, unsigned long start,
			       unsigned long end, bool writable)
{
	unsigned long next;
	int ret = 0;

	for (; start < end && !ret; start = next) {
		next = export_piece_end(probe->umem.owning_mm, start, end);
		ret = ib_umem_peer_probe(probe, start, next, writable);
		cond_resched();
	}
	return ret;
}

/*
 * Asks whether exporters allow the device to register the part at @offset.
 * The process is alive.
 * @ibdev: NULL if there is no device yet
 * Return: 0; -ENODEV the range was unmapped; as ib_umem_peer_probe().
 */
int ib_peer_probe_export(struct ib_peer_export *export, struct ib_device *ibdev,
			 u64 offset, size_t size, bool writable)
{
	unsigned long first = (export->start + offset) & PAGE_MASK;
	unsigned long end = PAGE_ALIGN(export->start + offset + size);
	struct ib_peer_probe_device device = { .ibdev = ibdev };
	char name[IB_PEER_MEMORY_NAME_MAX];
	struct ib_umem_peer *probe;
	int ret;

	probe = ib_umem_peer_probe_begin(&device, export->mm, first, end - first,
					 IB_ACCESS_ON_DEMAND, name);
	if (!probe)
		return -ENOMEM;
	ib_peer_hold(IB_PEER_HOLD_WATCHED);
	ret = ib_umem_peer_probe(probe, first, end, writable);
	if (ret == -EFAULT)
		ret = probe_export_pieces(probe, first, end, writable);
	ib_umem_peer_probe_end(probe);
	/* Checked last: the claim may be for a later mapping. */
	return READ_ONCE(export->over) ? -ENODEV : ret;
}
