// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A range of a process, exported as a dma-buf: a file descriptor that another
 * process can register.
 *
 * The dma-buf holds no memory and claims none. It is the right to register
 * that range of that address space, on demand, as its owner could. Each
 * registration claims the range for its own RDMA device, and is invalidated
 * by the exporter and by the mmu notifier of the process.
 *
 * The right ends when any part of the range is unmapped, or the process
 * exits: later mappings were never shared. Registrations have a notifier for
 * that themselves (umem_mn_export()). The notifier here is for later
 * registrations.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
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

static int export_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	return -EOPNOTSUPP;
}

/* Mandatory, but never called: there are no attachments. */
static struct sg_table *export_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void export_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *table, enum dma_data_direction dir)
{
}

static void export_release(struct dma_buf *dmabuf)
{
	ib_peer_export_put(dmabuf->priv);
}

static const struct dma_buf_ops export_ops = {
	.attach = export_attach,
	.map_dma_buf = export_map,
	.unmap_dma_buf = export_unmap,
	.release = export_release,
};

/* Return: the export, with a reference; NULL: another driver's dma-buf. */
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf)
{
	struct ib_peer_export *export = dmabuf->priv;

	if (dmabuf->ops != &export_ops)
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
	export->mm = current->mm;
	export->start = start;
	export->length = length;
	ret = ib_peer_insert_notifier(&export->notifier, export->mm, start,
				      length, &export_mn_ops);
	if (ret) {
		kfree(export);
		return ERR_PTR(ret);
	}
	mmgrab(export->mm);
	return export;
}

/* Takes over the caller's reference, also on failure. */
struct dma_buf *ib_peer_export_to_dmabuf(struct ib_peer_export *export,
					 bool writable)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &export_ops,
		.size = export->length,
		.flags = writable ? O_RDWR : O_RDONLY,
		.priv = export,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	if (IS_ERR(dmabuf))
		ib_peer_export_put(export);
	return dmabuf;
}
