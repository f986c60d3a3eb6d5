// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Access by key: what the hardware of a queue pair does, with its checks. */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"

static struct edu_mr *mr_find(struct edu_device *dev, u32 key)
{
	struct edu_mr *mr;

	xa_lock(&dev->mrs);
	mr = xa_load(&dev->mrs, key >> 8);
	if (mr && (mr->key != key || !refcount_inc_not_zero(&mr->users)))
		mr = NULL;
	xa_unlock(&dev->mrs);
	return mr;
}

static void mr_put(struct edu_mr *mr)
{
	if (refcount_dec_and_test(&mr->users))
		complete(&mr->unused);
}

static int check(struct edu_mr *mr, const struct edu_rdma_access *arg)
{
	int need = 0;

	if (!(arg->flags & EDU_RDMA_LOCAL))
		need = arg->flags & EDU_RDMA_WRITE ? IB_ACCESS_REMOTE_WRITE :
						     IB_ACCESS_REMOTE_READ;
	else if (arg->flags & EDU_RDMA_WRITE)
		need = IB_ACCESS_LOCAL_WRITE;
	if ((mr->access & need) != need)
		return -EACCES;
	if (arg->addr < mr->iova || arg->length > mr->ib.length ||
	    arg->addr - mr->iova > mr->ib.length - arg->length)
		return -ERANGE;
	return 0;
}

/*
 * Transfers data of one page, whose address is valid only while resv is locked.
 */
static int transfer_locked(struct edu_mr *mr, const struct edu_rdma_access *arg,
			   u64 offset, void *data, size_t length)
{
	struct edu_engine *engine = mr->dev->engine;
	dma_addr_t addr;
	int ret;

	if (!(arg->flags & EDU_RDMA_STALE)) {
		if (!mr->valid && !mr->revoked)
			atomic64_inc(&mr->dev->stats.faults);
		ret = edu_mr_ready(mr);
		if (ret)
			return ret;
	}
	addr = mr->pages[offset >> PAGE_SHIFT] + offset_in_page(offset);
	if (arg->flags & EDU_RDMA_WRITE)
		return edu_engine_write(engine, addr, data, length);
	return edu_engine_read(engine, data, addr, length);
}

static int transfer(struct edu_mr *mr, const struct edu_rdma_access *arg,
		    u64 offset, void *data, size_t length)
{
	struct dma_resv *resv;
	int ret;

	if (!mr->dmabuf)
		return transfer_locked(mr, arg, offset, data, length);
	resv = mr->dmabuf->attach->dmabuf->resv;
	do {
		ret = dma_resv_lock_interruptible(resv, NULL);
		if (ret)
			return ret;
		ret = transfer_locked(mr, arg, offset, data, length);
		dma_resv_unlock(resv);
		cond_resched();
		/*
		 * The buffer is moving: retry, as a device does that faults
		 * again.
		 */
	} while (ret == -EAGAIN && !fatal_signal_pending(current));
	return ret;
}

/* The caller's buffer may be any memory. It is not accessed under locks. */
static int transfer_user(struct edu_mr *mr, const struct edu_rdma_access *arg,
			 u64 offset, u64 buffer, void *data, size_t length)
{
	void __user *user = u64_to_user_ptr(buffer);
	int ret;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (arg->flags & EDU_RDMA_WRITE && copy_from_user(data, user, length))
		return -EFAULT;
	ret = transfer(mr, arg, offset, data, length);
	if (!ret && !(arg->flags & EDU_RDMA_WRITE) &&
	    copy_to_user(user, data, length))
		ret = -EFAULT;
	return ret;
}

static int transfer_all(struct edu_mr *mr, const struct edu_rdma_access *arg)
{
	u64 offset = arg->addr - mr->iova + ib_umem_offset(mr->umem);
	void *data = kmalloc(EDU_PIECE, GFP_KERNEL);
	u64 done, length;
	int ret = 0;

	if (!data)
		return -ENOMEM;
	for (done = 0; done < arg->length && !ret; done += length) {
		length = PAGE_SIZE - offset_in_page(offset + done);
		length = min3(length, arg->length - done, (u64)EDU_PIECE);
		ret = transfer_user(mr, arg, offset + done, arg->buffer + done,
				    data, length);
	}
	kfree(data);
	return ret;
}

int edu_access(struct edu_device *dev, const struct edu_rdma_access *arg)
{
	struct edu_mr *mr = mr_find(dev, arg->key);
	int ret;

	if (!mr)
		return -ENOKEY;
	ret = check(mr, arg);
	if (!ret)
		ret = transfer_all(mr, arg);
	mr_put(mr);
	return ret;
}
