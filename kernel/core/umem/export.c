// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A range of a process, exported as a dma-buf: a file descriptor that another
 * process can register.
 *
 * The dma-buf holds no memory and claims none. It is the right to register
 * that range of that address space, on demand, as its owner could. Each
 * registration claims the range for its own RDMA device, and is invalidated
 * by the exporter and by the mmu notifier of the process. So does each DMA device
 * that attaches (importers/dma_exported.c).
 *
 * The right ends when any part of the range is unmapped, or the process
 * exits: later mappings were never shared. Registrations have a notifier for
 * that themselves (umem_mn_export()). The notifier here is for later
 * registrations.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "umem/export.h"
#include "umem/notifier_insert.h"

static void export_free(struct kref *kref)
{
	struct ib_peer_export *export =
		container_of(kref, struct ib_peer_export, kref);

	mmu_interval_notifier_remove(&export->notifier);
	mmdrop(export->mm);
	ib_peer_dmabuf_fini(&export->share);
	kfree(export);
}

/* May sleep. NULL is allowed. */
void ib_peer_export_put(struct ib_peer_export *export)
{
	if (export)
		kref_put(&export->kref, export_free);
}

static bool export_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range,
			      unsigned long cur_seq)
{
	struct ib_peer_export *export =
		container_of(notifier, struct ib_peer_export, notifier);

	mmu_interval_set_seq(notifier, cur_seq);
	if (ib_peer_mn_unmaps(range))
		WRITE_ONCE(export->over, true);
	return true;
}

static const struct mmu_interval_notifier_ops export_mn_ops = {
	.invalidate = export_invalidate,
};

/* ---- the dma-buf ---- */

/* The release op; it also tells these dma-bufs from others. */
void ib_peer_export_release(struct dma_buf *dmabuf)
{
	ib_peer_export_put(dmabuf->priv);
}

/* Return: the export, with a reference; NULL: another driver's dma-buf. */
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf)
{
	struct ib_peer_export *export = dmabuf->priv;

	if (dmabuf->ops->release != ib_peer_export_release)
		return NULL;
	kref_get(&export->kref);
	return export;
}

struct ib_peer_export *ib_peer_export_create(unsigned long start,
					     size_t length)
{
	struct ib_peer_export *export;
	int ret;

	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export)
		return ERR_PTR(-ENOMEM);
	kref_init(&export->kref);
	ib_peer_dmabuf_init(&export->share);
	export->mm = current->mm;
	export->start = start;
	export->length = length;
	ret = ib_peer_insert_notifier(&export->notifier, export->mm, start,
				      length, &export_mn_ops);
	if (ret) {
		ib_peer_dmabuf_fini(&export->share);
		kfree(export);
		return ERR_PTR(ret);
	}
	mmgrab(export->mm);
	return export;
}
