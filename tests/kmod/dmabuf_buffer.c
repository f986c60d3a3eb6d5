// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: an exporter of dma-bufs that move, for importers that use the
 * CPU, and some for importers that use DMA. It keeps the previous location of a
 * buffer and fills it with POISON, so that stale writes are detected.
 *
 * Some buffers have an engine that copies the data after a move
 * (dmabuf_engine.h). The copy starts with the move, or at the next use of the
 * buffer: pin(), vmap(), a mapping for DMA, or a CPU page fault.
 */
#include <compat/dma_buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "dmabuf_engine.h"
#include "peer_test_dmabuf.h"

#define POISON 0xd5
#define LENGTH_MAX SZ_64M

/*
 * The dma-buf's resv guards everything except the atomic members and the
 * engine.
 */
struct buffer {
	struct engine engine;
	bool eager;		/* a move starts the copy */
	void *now;		/* NULL: revoked */
	void *before;
	bool iomem;
	bool dma;
	bool mapped;
	u32 dma_maps;		/* current mappings for DMA */
	u32 pins;
	atomic_t attached;
	atomic_t accesses;
	u32 maps;
	u32 wrong;
};

/* Starts the copy, if needed, before someone maps the buffer. */
static int buffer_use(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);

	if (!buffer->now)
		return -ENODEV;
	return engine_start(&buffer->engine, dmabuf->resv, buffer->now);
}

static int buffer_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	struct buffer *buffer = dmabuf->priv;

	atomic_inc(&buffer->attached);
	return 0;
}

static void buffer_detach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	struct buffer *buffer = dmabuf->priv;

	atomic_dec(&buffer->attached);
}

static int buffer_pin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;
	int ret = buffer_use(attach->dmabuf);

	if (!ret)
		buffer->pins++;
	return ret;
}

static void buffer_unpin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	buffer->pins--;
}

/*
 * Checks for pins by importers. The dma-buf core may also pin each mapped buffer; a
 * dynamic importer still follows a move.
 */
static bool buffer_is_pinned(struct buffer *buffer)
{
	if (peer_dma_buf_map_pins())
		return buffer->pins > buffer->dma_maps;
	return buffer->pins;
}

static int fill_table(struct sg_table *table, void *from, size_t length)
{
	struct scatterlist *sg;
	size_t at = 0;
	int ret, i;

	ret = sg_alloc_table(table, length >> PAGE_SHIFT, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i) {
		sg_set_page(sg, vmalloc_to_page(from + at), PAGE_SIZE, 0);
		at += PAGE_SIZE;
	}
	return 0;
}

static int map_table(struct dma_buf_attachment *attach, struct sg_table *table,
		     enum dma_data_direction dir)
{
	struct buffer *buffer = attach->dmabuf->priv;
	int ret;

	ret = fill_table(table, buffer->now, attach->dmabuf->size);
	if (ret)
		return ret;
	ret = dma_map_sgtable(attach->dev, table, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		sg_free_table(table);
	return ret;
}

static struct sg_table *buffer_map_dma(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir)
{
	struct buffer *buffer = attach->dmabuf->priv;
	struct sg_table *table;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!buffer->dma)
		return ERR_PTR(-EOPNOTSUPP);
	ret = buffer_use(attach->dmabuf);
	if (ret)
		return ERR_PTR(ret);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	ret = map_table(attach, table, dir);
	if (ret) {
		kfree(table);
		return ERR_PTR(ret);
	}
	buffer->dma_maps++;
	buffer->maps++;
	return table;
}

static void buffer_unmap_dma(struct dma_buf_attachment *attach,
			     struct sg_table *table,
			     enum dma_data_direction dir)
{
	struct buffer *buffer = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	dma_unmap_sgtable(attach->dev, table, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(table);
	kfree(table);
	buffer->dma_maps--;
}

static int buffer_begin_access(struct dma_buf *dmabuf,
			       enum dma_data_direction dir)
{
	struct buffer *buffer = dmabuf->priv;

	atomic_inc(&buffer->accesses);
	return 0;
}

static int buffer_end_access(struct dma_buf *dmabuf,
			     enum dma_data_direction dir)
{
	struct buffer *buffer = dmabuf->priv;

	atomic_dec(&buffer->accesses);
	return 0;
}

static int buffer_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buffer = dmabuf->priv;
	int ret = buffer_use(dmabuf);

	if (ret)
		return ret;
	if (!atomic_read(&buffer->accesses))
		buffer->wrong++;
	buffer->mapped = true;
	buffer->maps++;
	if (buffer->iomem)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)buffer->now);
	else
		iosys_map_set_vaddr(map, buffer->now);
	return 0;
}

static void buffer_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buffer = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);
	buffer->mapped = false;
}

/*
 * Return: 0 with resv held and the data in place, -ENODEV, -ENOMEM or
 * -ERESTARTSYS.
 */
static int buffer_lock_bytes(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;
	long ret;

	for (;;) {
		dma_resv_lock(dmabuf->resv, NULL);
		ret = buffer_use(dmabuf);
		if (!ret && !engine_holds(&buffer->engine))
			return 0;
		dma_resv_unlock(dmabuf->resv);
		if (ret)
			return ret;
		ret = dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_KERNEL,
					    true, MAX_SCHEDULE_TIMEOUT);
		if (ret < 0)
			return ret;
	}
}

static vm_fault_t buffer_fault(struct vm_fault *vmf)
{
	struct dma_buf *dmabuf = vmf->vma->vm_private_data;
	struct buffer *buffer = dmabuf->priv;
	struct page *page;
	vm_fault_t fault;
	int ret;

	ret = buffer_lock_bytes(dmabuf);
	if (ret == -ERESTARTSYS)
		return VM_FAULT_NOPAGE;
	if (ret)
		return VM_FAULT_SIGBUS;
	page = vmalloc_to_page(buffer->now + (vmf->pgoff << PAGE_SHIFT));
	fault = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	dma_resv_unlock(dmabuf->resv);
	return fault;
}

static const struct vm_operations_struct buffer_vm_ops = {
	.fault = buffer_fault,
};

static int buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND);
	vma->vm_private_data = dmabuf;
	vma->vm_ops = &buffer_vm_ops;
	return 0;
}

static void buffer_free(struct buffer *buffer)
{
	engine_fini(&buffer->engine);
	vfree(buffer->now);
	vfree(buffer->before);
	kfree(buffer);
}

static void buffer_release(struct dma_buf *dmabuf)
{
	buffer_free(dmabuf->priv);
}

#define DMA_OPS							\
	.attach = buffer_attach,				\
	.detach = buffer_detach,				\
	.map_dma_buf = buffer_map_dma,				\
	.unmap_dma_buf = buffer_unmap_dma,			\
	.release = buffer_release

#define BUFFER_OPS						\
	DMA_OPS,						\
	.begin_cpu_access = buffer_begin_access,		\
	.end_cpu_access = buffer_end_access,			\
	.vmap = buffer_vmap,					\
	.vunmap = buffer_vunmap,				\
	.mmap = buffer_mmap

static const struct dma_buf_ops no_vmap_ops = { DMA_OPS };

static const struct dma_buf_ops fixed_ops = { BUFFER_OPS };

static const struct dma_buf_ops moving_ops = {
	BUFFER_OPS,
	.pin = buffer_pin,
	.unpin = buffer_unpin,
};

/* ---- the device file ---- */

static struct dma_buf *buffer_export(struct buffer *buffer,
				     const struct peer_test_dmabuf_create *arg)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	if (arg->flags & PEER_TEST_DMABUF_NO_VMAP)
		info.ops = &no_vmap_ops;
	else if (arg->flags & PEER_TEST_DMABUF_FIXED)
		info.ops = &fixed_ops;
	else
		info.ops = &moving_ops;
	info.size = arg->length;
	info.flags = arg->flags & PEER_TEST_DMABUF_READ_ONLY ? O_RDONLY :
								O_RDWR;
	info.priv = buffer;
	return dma_buf_export(&info);
}

#define WITH_ENGINE (PEER_TEST_DMABUF_ENGINE | PEER_TEST_DMABUF_ENGINE_EAGER)

/* The data of a fixed buffer is in the engine from the start. */
static struct buffer *buffer_create(const struct peer_test_dmabuf_create *arg)
{
	struct buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	int ret;

	if (!buffer)
		return NULL;
	buffer->iomem = arg->flags & PEER_TEST_DMABUF_IOMEM;
	buffer->dma = arg->flags & PEER_TEST_DMABUF_DMA;
	buffer->eager = arg->flags & PEER_TEST_DMABUF_ENGINE_EAGER;
	buffer->now = vzalloc(arg->length);
	ret = engine_init(&buffer->engine, arg->length,
			  arg->flags & WITH_ENGINE);
	if (ret || !buffer->now) {
		buffer_free(buffer);
		return NULL;
	}
	if (buffer->engine.staged && arg->flags & PEER_TEST_DMABUF_FIXED)
		engine_take(&buffer->engine, buffer->now);
	return buffer;
}

static long ioctl_create(struct peer_test_dmabuf_create __user *user)
{
	struct peer_test_dmabuf_create arg;
	struct dma_buf *dmabuf;
	struct buffer *buffer;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!arg.length || !PAGE_ALIGNED(arg.length) || arg.length > LENGTH_MAX)
		return -EINVAL;
	buffer = buffer_create(&arg);
	if (!buffer)
		return -ENOMEM;
	dmabuf = buffer_export(buffer, &arg);
	if (IS_ERR(dmabuf)) {
		buffer_free(buffer);
		return PTR_ERR(dmabuf);
	}
	arg.fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (arg.fd < 0) {
		dma_buf_put(dmabuf);
		return arg.fd;
	}
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* Invalidates the current location. No importer writes to it afterwards. */
static void buffer_move_out(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);

	dma_buf_invalidate_mappings(dmabuf);
	unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	if (buffer->mapped || buffer->dma_maps)
		buffer->wrong++;
	if (buffer->before && memchr_inv(buffer->before, POISON, dmabuf->size))
		buffer->wrong++;
	if (buffer->engine.staged)
		engine_take(&buffer->engine, buffer->now);
	vfree(buffer->before);
	buffer->before = buffer->now;
	buffer->now = NULL;
}

/*
 * Moves the data to @place. Return: 0, or -ENOMEM if no fence could be
 * allocated.
 */
static int buffer_move_in(struct dma_buf *dmabuf, void *place)
{
	struct buffer *buffer = dmabuf->priv;

	if (!buffer->engine.staged)
		memcpy(place, buffer->before, dmabuf->size);
	memset(buffer->before, POISON, dmabuf->size);
	buffer->now = place;
	return buffer->eager ? buffer_use(dmabuf) : 0;
}

/* A copy of the engine that is still queued has no effect any more. */
static void buffer_discard(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	engine_drop(&buffer->engine);
	memset(buffer->before, POISON, dmabuf->size);
}

static bool buffer_may_move(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	/* A fixed buffer does not notify its users. */
	if (!dmabuf->ops->pin && buffer->mapped)
		return false;
	return !buffer_is_pinned(buffer);
}

static long ioctl_move(struct dma_buf *dmabuf, bool revoke)
{
	struct buffer *buffer = dmabuf->priv;
	void *place = revoke ? NULL : vmalloc(dmabuf->size);
	long ret = -ENODEV;

	if (!revoke && !place)
		return -ENOMEM;
	dma_resv_lock(dmabuf->resv, NULL);
	if (!revoke && !buffer_may_move(dmabuf)) {
		ret = -EBUSY;
	} else if (buffer->now) {
		buffer_move_out(dmabuf);
		ret = 0;
		if (revoke)
			buffer_discard(dmabuf);
		else
			ret = buffer_move_in(dmabuf, place);
		place = NULL;
	}
	dma_resv_unlock(dmabuf->resv);
	vfree(place);
	return ret;
}

static long ioctl_stats(struct dma_buf *dmabuf,
			struct peer_test_dmabuf_stats __user *user)
{
	struct buffer *buffer = dmabuf->priv;
	struct peer_test_dmabuf_stats stats = {};

	dma_resv_lock(dmabuf->resv, NULL);
	stats.attached = atomic_read(&buffer->attached);
	stats.accesses = atomic_read(&buffer->accesses);
	stats.mapped = buffer->mapped + buffer->dma_maps;
	stats.maps = buffer->maps;
	stats.copies = buffer->engine.copies;
	stats.pending = engine_pending(&buffer->engine);
	stats.wrong = buffer->wrong + buffer->engine.early;
	if (buffer->before && memchr_inv(buffer->before, POISON, dmabuf->size))
		stats.wrong++;
	dma_resv_unlock(dmabuf->resv);
	return copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static int buffer_copy(struct dma_buf *dmabuf,
		       const struct peer_test_dmabuf_rw *arg, void *bounce)
{
	struct buffer *buffer = dmabuf->priv;
	int ret = -ENODEV;

	dma_resv_lock(dmabuf->resv, NULL);
	if (buffer->now) {
		engine_rw(&buffer->engine, buffer->now, arg->offset, bounce,
			  arg->length, arg->write);
		ret = 0;
	}
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static long ioctl_rw(struct dma_buf *dmabuf,
		     struct peer_test_dmabuf_rw __user *user)
{
	struct peer_test_dmabuf_rw arg;
	void __user *data;
	void *bounce;
	long ret = 0;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.offset > dmabuf->size ||
	    arg.length > dmabuf->size - arg.offset)
		return -EINVAL;
	data = u64_to_user_ptr(arg.buffer);
	bounce = vmalloc(arg.length ?: 1);
	if (!bounce)
		return -ENOMEM;
	if (arg.write && copy_from_user(bounce, data, arg.length))
		ret = -EFAULT;
	if (!ret)
		ret = buffer_copy(dmabuf, &arg, bounce);
	if (!ret && !arg.write && copy_to_user(data, bounce, arg.length))
		ret = -EFAULT;
	vfree(bounce);
	return ret;
}

static long ioctl_speed(struct dma_buf *dmabuf,
			struct peer_test_dmabuf_speed __user *user)
{
	struct buffer *buffer = dmabuf->priv;
	struct peer_test_dmabuf_speed arg;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	dma_resv_lock(dmabuf->resv, NULL);
	buffer->engine.ms = arg.ms;
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static long ioctl_fence(struct dma_buf *dmabuf,
			struct peer_test_dmabuf_fence __user *user)
{
	static const enum dma_resv_usage usages[] = {
		[PEER_TEST_DMABUF_FENCE_KERNEL] = DMA_RESV_USAGE_KERNEL,
		[PEER_TEST_DMABUF_FENCE_WRITE] = DMA_RESV_USAGE_WRITE,
		[PEER_TEST_DMABUF_FENCE_READ] = DMA_RESV_USAGE_READ,
	};
	struct buffer *buffer = dmabuf->priv;
	struct peer_test_dmabuf_fence arg;
	long ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.usage >= ARRAY_SIZE(usages))
		return -EINVAL;
	dma_resv_lock(dmabuf->resv, NULL);
	ret = engine_add_fence(&buffer->engine, dmabuf->resv,
			       usages[arg.usage]);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static long ioctl_finish(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	engine_finish(&buffer->engine);
	return 0;
}

static bool buffer_moves(const struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	return dmabuf->ops == &moving_ops || buffer->engine.staged;
}

static long dmabuf_ioctl(struct dma_buf *dmabuf, unsigned int cmd,
			 void __user *user)
{
	if (dmabuf->ops != &moving_ops && dmabuf->ops != &fixed_ops)
		return -EINVAL;
	switch (cmd) {
	case PEER_TEST_DMABUF_STATS:
		return ioctl_stats(dmabuf, user);
	case PEER_TEST_DMABUF_RW:
		return ioctl_rw(dmabuf, user);
	case PEER_TEST_DMABUF_SPEED:
		return ioctl_speed(dmabuf, user);
	case PEER_TEST_DMABUF_FENCE:
		return ioctl_fence(dmabuf, user);
	case PEER_TEST_DMABUF_FINISH:
		return ioctl_finish(dmabuf);
	}
	if (!buffer_moves(dmabuf))
		return -EOPNOTSUPP;
	return ioctl_move(dmabuf, cmd == PEER_TEST_DMABUF_REVOKE);
}

static long chardev_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct dma_buf *dmabuf;
	s32 fd = arg;
	long ret;

	switch (cmd) {
	case PEER_TEST_DMABUF_CREATE:
		return ioctl_create(user);
	case PEER_TEST_DMABUF_STATS:
	case PEER_TEST_DMABUF_RW:
	case PEER_TEST_DMABUF_SPEED:
	case PEER_TEST_DMABUF_FENCE:
		/* Their structs start with the descriptor. */
		if (get_user(fd, (s32 __user *)user))
			return -EFAULT;
		break;
	case PEER_TEST_DMABUF_MOVE:
	case PEER_TEST_DMABUF_REVOKE:
	case PEER_TEST_DMABUF_FINISH:
		break;
	default:
		return -ENOTTY;
	}
	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = dmabuf_ioctl(dmabuf, cmd, user);
	dma_buf_put(dmabuf);
	return ret;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = chardev_ioctl,
};

static struct miscdevice miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_test_dmabuf",
	.fops = &chardev_fops,
};

static int __init dmabuf_test_init(void)
{
	int ret = engine_module_init();

	if (ret)
		return ret;
	ret = misc_register(&miscdev);
	if (ret)
		engine_module_exit();
	return ret;
}

static void __exit dmabuf_test_exit(void)
{
	misc_deregister(&miscdev);
	engine_module_exit();
}

module_init(dmabuf_test_init);
module_exit(dmabuf_test_exit);

MODULE_DESCRIPTION("peermem tests: dma-bufs that move");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_INFO(import_ns, "DMA_BUF");
