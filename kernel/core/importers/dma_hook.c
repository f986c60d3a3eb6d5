// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Hooks ibv_reg_mr() of DMA importers.
 *
 * Such a driver pins system memory in reg_user_mr, and imports dma-bufs in
 * reg_user_mr_dmabuf. The core replaces its reg_user_mr op. The replacement
 * calls the driver's op first. If that fails and an exporter owns the range,
 * it creates a dma-buf (dma_bridge.c) and calls the driver's other op.
 * Everything else reaches the driver and the user unchanged.
 *
 * On demand, a driver accepts any address and finds out at the access. So
 * exporters are asked first where the process has a device mapping or no
 * mapping.
 *
 * The op is restored when the device or the core is removed. A task that has
 * fetched it before may still be about to enter it, inside it, or returning.
 * A task inside holds a reference to the hook, so removal of a device waits
 * for its own registrations only.
 */
#include <compat/rdma.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <rdma/uverbs_ioctl.h>
#include <rdma/ib_umem_peer.h>

#include "hold_point.h"
#include "importers/cpu_drivers.h"
#include "importers/dma_bridge.h"
#include "importers/dma_hook.h"

/*
 * struct hook - a hooked device
 * @node:        in hooks; written under hooks_lock, read under RCU
 * @users:       calls in progress, plus one for the list; the last completes
 *               @unused
 * @reg_user_mr: the driver's op
 * @importer_type: what is known about the driver
 */
struct hook {
	struct list_head node;
	struct rcu_head rcu;
	refcount_t users;
	struct completion unused;
	struct ib_device *ibdev;
	peer_reg_user_mr_fn reg_user_mr;
	enum ib_peer_importer_type importer_type;
};

static LIST_HEAD(hooks);
static DEFINE_MUTEX(hooks_lock);

/* Return: the hook, with a reference; NULL: none, or it is being removed. */
static struct hook *hook_get(const struct ib_device *ibdev)
{
	struct hook *hook, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(hook, &hooks, node)
		if (hook->ibdev == ibdev && refcount_inc_not_zero(&hook->users))
			found = hook;
	rcu_read_unlock();
	return found;
}

static void hook_put(struct hook *hook)
{
	if (refcount_dec_and_test(&hook->users))
		complete(&hook->unused);
}

/* ---- registration ---- */

/*
 * The driver gets an empty attribute bundle: the attributes of this call have
 * numbers that mean something else in the other one.
 */
static struct ib_mr *hook_call_driver(struct ib_pd *pd, struct dma_buf *dmabuf,
				      u64 offset, u64 length, u64 virt_addr,
				      int fd, int access, struct ib_dmah *dmah)
{
	struct ib_ucontext *context = pd->uobject->context;
	struct uverbs_attr_bundle attrs = {
		.ufile = context->ufile,
		.context = context,
	};

	get_file(dmabuf->file);
	fd_install(fd, dmabuf->file);
	ib_peer_hold(IB_PEER_HOLD_FD_INSTALLED);
	return peer_reg_user_mr_dmabuf(pd, offset, length, virt_addr, fd,
				       access, dmah, &attrs);
}

/*
 * Drivers take a file descriptor, so the process has it for the duration of
 * the call. @importer_type: type of the importer that attached to the
 * dma-buf.
 */
static struct ib_mr *hook_reg_dmabuf(struct ib_pd *pd, struct dma_buf *dmabuf,
				     u64 offset, u64 length, u64 virt_addr,
				     int access, struct ib_dmah *dmah,
				     enum ib_peer_importer_type *importer_type)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct ib_mr *mr;

	if (fd < 0)
		return ERR_PTR(fd);
	mr = hook_call_driver(pd, dmabuf, offset, length, virt_addr, fd,
			      access & ~IB_ACCESS_ON_DEMAND, dmah);
	close_fd(fd);
	*importer_type = ib_peer_bridge_finish(dmabuf);
	/* Another thread may have replaced the file behind the descriptor. */
	if (!IS_ERR(mr) && !*importer_type) {
		mr->device = pd->device;
		mr->pd = pd;
		pd->device->ops.dereg_mr(mr, NULL);
		return ERR_PTR(-EBADF);
	}
	return mr;
}

/* Return: the MR; ERR_PTR(-EFAULT): no exporter, or not for this PD. */
static struct ib_mr *hook_reg_peer(struct hook *hook, struct ib_pd *pd,
				   u64 start, u64 length, u64 virt_addr,
				   int access, struct ib_dmah *dmah)
{
	enum ib_peer_importer_type importer_type = IB_PEER_UNKNOWN;
	struct dma_buf *dmabuf;
	struct ib_mr *mr;

	/* A kernel consumer (RDS) has no ucontext for the other op. */
	if (!pd->uobject)
		return ERR_PTR(-EFAULT);
	dmabuf = ib_peer_bridge_create(hook->ibdev, start, length, access);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	mr = hook_reg_dmabuf(pd, dmabuf, offset_in_page(start), length,
			     virt_addr, access, dmah, &importer_type);
	if (importer_type)
		WRITE_ONCE(hook->importer_type, importer_type);
	dma_buf_put(dmabuf);
	return mr;
}

/* Repeats while the exporter is moving the memory. */
static struct ib_mr *hook_reg_peer_retry(struct hook *hook, struct ib_pd *pd,
					 u64 start, u64 length, u64 virt_addr,
					 int access, struct ib_dmah *dmah)
{
	unsigned long until = ib_umem_peer_deadline();
	struct ib_mr *mr;

	do {
		mr = hook_reg_peer(hook, pd, start, length, virt_addr, access,
				   dmah);
	} while (PTR_ERR(mr) == -EAGAIN && time_before(jiffies, until));
	return mr;
}

/*
 * The address has no system memory. Registrations of the whole address space,
 * and invalid ranges, are left to the driver.
 */
static bool hook_may_be_peer(u64 start, u64 length)
{
	struct vm_area_struct *vma;
	bool maybe;
	u64 end;

	if (check_add_overflow(start, length, &end) || end > TASK_SIZE_MAX)
		return false;
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, start);
	maybe = !vma || vma->vm_flags & (VM_IO | VM_PFNMAP) ||
		!(vma->vm_flags & VM_ACCESS_FLAGS);
	mmap_read_unlock(current->mm);
	return maybe;
}

/* The driver may have failed because the range is not system memory. */
static bool hook_error_may_be_peer(long err)
{
	return err == -EFAULT || err == -EREMOTEIO || err == -EOPNOTSUPP;
}

static struct ib_mr *hook_reg(struct hook *hook, struct ib_pd *pd, u64 start,
			      u64 length, u64 virt_addr, int access,
			      struct ib_dmah *dmah, struct ib_udata *udata)
{
	bool first = access & IB_ACCESS_ON_DEMAND &&
		     hook_may_be_peer(start, length);
	struct ib_mr *mr, *peer = ERR_PTR(-EFAULT);

	if (first)
		peer = hook_reg_peer_retry(hook, pd, start, length, virt_addr,
					   access, dmah);
	if (PTR_ERR(peer) != -EFAULT)
		return peer;
	mr = peer_reg_user_mr(hook->reg_user_mr, pd, start, length, virt_addr,
			      access, dmah, udata);
	if (first || !IS_ERR(mr) || !hook_error_may_be_peer(PTR_ERR(mr)))
		return mr;
	peer = hook_reg_peer_retry(hook, pd, start, length, virt_addr, access,
				   dmah);
	return PTR_ERR(peer) == -EFAULT ? mr : peer;
}

static struct ib_mr *hook_reg_user_mr(PEER_REG_USER_MR_PARAMS)
{
	struct hook *hook = hook_get(pd->device);
	struct ib_mr *mr;

	/* The hook was removed meanwhile. */
	if (!hook)
		return peer_reg_user_mr(pd->device->ops.reg_user_mr, pd, start,
					length, iova, access, PEER_DMAH, udata);
	mr = hook_reg(hook, pd, start, length, iova, access, PEER_DMAH, udata);
	hook_put(hook);
	return mr;
}

/* ---- devices are added and removed ---- */

static bool hook_is_needed(const struct ib_device *ibdev)
{
	return ibdev->ops.reg_user_mr && ibdev->ops.reg_user_mr_dmabuf &&
	       ibdev->dma_device && !ib_peer_is_importer(ibdev);
}

static struct ib_client hook_client;

static int hook_add(struct ib_device *ibdev)
{
	struct hook *hook;

	if (!hook_is_needed(ibdev))
		return -EOPNOTSUPP;
	hook = kzalloc(sizeof(*hook), GFP_KERNEL);
	if (!hook)
		return -ENOMEM;
	refcount_set(&hook->users, 1);
	init_completion(&hook->unused);
	hook->ibdev = ibdev;
	hook->reg_user_mr = ibdev->ops.reg_user_mr;
	mutex_lock(&hooks_lock);
	list_add_rcu(&hook->node, &hooks);
	mutex_unlock(&hooks_lock);
	/* Whoever calls the op finds the hook. */
	smp_store_release(&ibdev->ops.reg_user_mr, hook_reg_user_mr);
	ib_set_client_data(ibdev, &hook_client, hook);
	return 0;
}

static void hook_remove(struct ib_device *ibdev, void *data)
{
	struct hook *hook = data;

	/*
	 * Before removing the hook: a call that does not find it uses this
	 * op.
	 */
	smp_store_release(&ibdev->ops.reg_user_mr, hook->reg_user_mr);
	mutex_lock(&hooks_lock);
	list_del_rcu(&hook->node);
	mutex_unlock(&hooks_lock);
	/* Waits for tasks that are about to enter, then for those inside. */
	synchronize_rcu_tasks();
	hook_put(hook);
	wait_for_completion(&hook->unused);
	kfree_rcu(hook, rcu);
}

static struct ib_client hook_client = {
	.name = "ib_peer_mem",
	.add = hook_add,
	.remove = hook_remove,
	.no_kverbs_req = true,
};

/* Return: the device reaches peer memory through a dma-buf. */
bool ib_peer_hook_serves(const struct ib_device *ibdev,
			 enum ib_peer_importer_type *importer_type)
{
	struct hook *hook = hook_get(ibdev);

	if (!hook)
		return false;
	*importer_type = READ_ONCE(hook->importer_type);
	hook_put(hook);
	return true;
}

int ib_peer_hook_init(void)
{
	return ib_register_client(&hook_client);
}

void ib_peer_hook_exit(void)
{
	ib_unregister_client(&hook_client);
	/* Waits for tasks that are returning. */
	synchronize_rcu_tasks();
}
