// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A range of a process, of whatever client's memory, as a dma-buf: a descriptor
 * that can be passed to another process and registered there.
 *
 * The dma-buf holds no memory and claims none. It is a right: to register that
 * range of that address space, as its owner could, on demand. Each registration
 * claims from the client itself, for its own RDMA device, and is told by the
 * client, and by the mmu notifier of the process, what becomes of the memory.
 *
 * The right is over when any part of the range is unmapped, or the process ends:
 * what is mapped there afterwards was never shared. Registrations watch for that
 * themselves (umem_mn_export()); the notifier here is for those to come.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <uapi/rdma/peer_mem.h>

#include "ib_peer.h"

static void export_free(struct kref *kref)
{
	struct ib_peer_export *export =
		container_of(kref, struct ib_peer_export, kref);

	mmu_interval_notifier_remove(&export->notifier);
	mmdrop(export->mm);
	kfree(export);
}

/* May sleep. NULL is fine. */
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

/* Mandatory, and never called: there are no attachments. */
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

/* With a reference; NULL: the dma-buf is another exporter's. */
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf)
{
	struct ib_peer_export *export = dmabuf->priv;

	if (dmabuf->ops != &export_ops)
		return NULL;
	kref_get(&export->kref);
	return export;
}

/*
 * Where the mapping, or the gap between mappings, ends that begins at @start or has it.
 * What lies in several, as buffers side by side, is several claims.
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

static int export_try_pieces(struct ib_umem_peer *trial, unsigned long start,
			     unsigned long end, bool writable)
{
	unsigned long next;
	int ret = 0;

	for (; start < end && !ret; start = next) {
		next = export_piece_end(trial->umem.owning_mm, start, end);
		ret = ib_umem_peer_try(trial, start, next, writable);
		cond_resched();
	}
	return ret;
}

/*
 * Would clients give the part at @offset to the device? Their claims are given back
 * at once. @ibdev: NULL if there is none yet. The process is alive. Return: 0,
 * -ENODEV the right is over; as ib_umem_peer_try().
 */
int ib_peer_export_try(struct ib_peer_export *export, struct ib_device *ibdev,
		       u64 offset, size_t size, bool writable)
{
	unsigned long first = (export->start + offset) & PAGE_MASK;
	unsigned long end = PAGE_ALIGN(export->start + offset + size);
	char name[IB_PEER_MEMORY_NAME_MAX];
	struct ib_umem_peer *trial;
	int ret;

	trial = ib_umem_peer_begin_trial(ibdev, export->mm, first, end - first,
					 IB_ACCESS_ON_DEMAND, name);
	if (!trial)
		return -ENOMEM;
	ib_peer_hold(IB_PEER_HOLD_WATCHED);
	ret = ib_umem_peer_try(trial, first, end, writable);
	if (ret == -EFAULT)
		ret = export_try_pieces(trial, first, end, writable);
	ib_umem_peer_end_trial(trial);
	/* Last: the claim may be on what was mapped there since. */
	return READ_ONCE(export->over) ? -ENODEV : ret;
}

/* ---- making one ---- */

static struct ib_peer_export *export_create(unsigned long start, size_t length)
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
	ret = ib_peer_watch(&export->notifier, export->mm, start, length,
			    &export_mn_ops);
	if (ret) {
		kfree(export);
		return ERR_PTR(ret);
	}
	mmgrab(export->mm);
	return export;
}

/* Takes over the reference. */
static struct dma_buf *export_to_dmabuf(struct ib_peer_export *export,
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

static int export_check(const struct peer_mem_export *user)
{
	u64 end;

	if (user->flags & ~PEER_MEM_EXPORT_WRITE || user->fd ||
	    user->reserved)
		return -EINVAL;
	if (!user->length || !PAGE_ALIGNED(user->addr) ||
	    !PAGE_ALIGNED(user->length) ||
	    check_add_overflow(user->addr, user->length, &end))
		return -EINVAL;
	return end > TASK_SIZE_MAX ? -EFAULT : 0;
}

/* Return: the dma-buf, or ERR_PTR as in uapi/rdma/peer_mem.h. */
struct dma_buf *ib_peer_export(const struct peer_mem_export *user)
{
	bool writable = user->flags & PEER_MEM_EXPORT_WRITE;
	struct ib_peer_export *export;
	int ret;

	ret = export_check(user);
	if (ret)
		return ERR_PTR(ret);
	export = export_create(user->addr, user->length);
	if (IS_ERR(export))
		return ERR_CAST(export);
	ret = ib_peer_export_try(export, NULL, 0, export->length, writable);
	if (ret) {
		ib_peer_export_put(export);
		return ERR_PTR(ret);
	}
	return export_to_dmabuf(export, writable);
}
