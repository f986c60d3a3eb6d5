// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_reg_mr() of RDMA devices that do DMA and import dma-bufs: it asks us, too.
 *
 * Such a driver knows system memory only, and dma-bufs by another call. So its
 * reg_user_mr op is replaced by ours, which calls it all the same. What it cannot
 * pin and a client owns is made a dma-buf (bridge.c), for its other op. All else
 * reaches the driver, and what the driver says reaches the user, as before.
 *
 * On demand, a driver takes any address and finds out at the access. So where the
 * process has a device's mapping, or nothing, clients are asked first.
 *
 * The op is put back when the device, or we, go. Who fetched it before may still
 * be on the way in, in, or on the way out. Who is in has a reference to the hook, so
 * that a device that goes waits for registrations with it, and for no others.
 */
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
#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "bridge.h"
#include "dma.h"

typedef struct ib_mr *(*reg_user_mr_fn)(struct ib_pd *pd, u64 start,
					u64 length, u64 virt_addr, int access,
					struct ib_udata *udata);

/*
 * struct hook - a device
 * @node:        in hooks; written under hooks_lock, read under RCU
 * @users:       calls that use it, and the list; the last completes @unused
 * @reg_user_mr: its own
 * @flavour:     what is known of its driver
 */
struct hook {
	struct list_head node;
	struct rcu_head rcu;
	refcount_t users;
	struct completion unused;
	struct ib_device *ibdev;
	reg_user_mr_fn reg_user_mr;
	enum ib_peer_flavour flavour;
};

static LIST_HEAD(hooks);
static DEFINE_MUTEX(hooks_lock);

/* With a reference; NULL: there is none, or it goes. */
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

/* ---- registering ---- */

/*
 * The driver must not see the attributes of this call: by their numbers some would
 * be those of its own for the other one.
 */
static struct ib_mr *hook_call_driver(struct ib_pd *pd, struct dma_buf *dmabuf,
				      u64 offset, u64 length, u64 virt_addr,
				      int fd, int access)
{
	struct ib_ucontext *context = pd->uobject->context;
	struct uverbs_attr_bundle attrs = {
		.ufile = context->ufile,
		.context = context,
	};

	get_file(dmabuf->file);
	fd_install(fd, dmabuf->file);
	ib_peer_hold(IB_PEER_HOLD_HANDED);
	return pd->device->ops.reg_user_mr_dmabuf(pd, offset, length, virt_addr,
						  fd, access, &attrs);
}

/*
 * Drivers want a descriptor. It is the process's only for that long. @flavour: of
 * the driver that came for the dma-buf.
 */
static struct ib_mr *hook_reg_dmabuf(struct ib_pd *pd, struct dma_buf *dmabuf,
				     u64 offset, u64 length, u64 virt_addr,
				     int access, enum ib_peer_flavour *flavour)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct ib_mr *mr;

	if (fd < 0)
		return ERR_PTR(fd);
	mr = hook_call_driver(pd, dmabuf, offset, length, virt_addr, fd,
			      access & ~IB_ACCESS_ON_DEMAND);
	close_fd(fd);
	*flavour = ib_peer_bridge_seal(dmabuf);
	/* Another thread may have put its own file there. */
	if (!IS_ERR(mr) && !*flavour) {
		mr->device = pd->device;
		mr->pd = pd;
		pd->device->ops.dereg_mr(mr, NULL);
		return ERR_PTR(-EBADF);
	}
	return mr;
}

/* ERR_PTR(-EFAULT): it is no client's, or not for this PD. */
static struct ib_mr *hook_reg_peer(struct hook *hook, struct ib_pd *pd,
				   u64 start, u64 length, u64 virt_addr,
				   int access)
{
	enum ib_peer_flavour flavour = IB_PEER_UNKNOWN;
	struct dma_buf *dmabuf;
	struct ib_mr *mr;

	/* A consumer in the kernel (RDS) has no context for the other op. */
	if (!pd->uobject)
		return ERR_PTR(-EFAULT);
	dmabuf = ib_peer_bridge_create(hook->ibdev, start, length, access);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	mr = hook_reg_dmabuf(pd, dmabuf, offset_in_page(start), length,
			     virt_addr, access, &flavour);
	if (flavour)
		WRITE_ONCE(hook->flavour, flavour);
	dma_buf_put(dmabuf);
	return mr;
}

/* The exporter was just moving it. */
static struct ib_mr *hook_reg_peer_retry(struct hook *hook, struct ib_pd *pd,
					 u64 start, u64 length, u64 virt_addr,
					 int access)
{
	unsigned long until = ib_umem_peer_deadline();
	struct ib_mr *mr;

	do {
		mr = hook_reg_peer(hook, pd, start, length, virt_addr, access);
	} while (PTR_ERR(mr) == -EAGAIN && time_before(jiffies, until));
	return mr;
}

/*
 * Is there no system memory at the address? All of the address space, and what
 * makes no sense, is the driver's.
 */
static bool hook_maybe_peer(u64 start, u64 length)
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

/* Did it fail for not being system memory? */
static bool hook_failed_as_peer(long err)
{
	return err == -EFAULT || err == -EREMOTEIO || err == -EOPNOTSUPP;
}

static struct ib_mr *hook_reg(struct hook *hook, struct ib_pd *pd, u64 start,
			      u64 length, u64 virt_addr, int access,
			      struct ib_udata *udata)
{
	bool first = access & IB_ACCESS_ON_DEMAND &&
		     hook_maybe_peer(start, length);
	struct ib_mr *mr, *peer = ERR_PTR(-EFAULT);

	if (first)
		peer = hook_reg_peer_retry(hook, pd, start, length, virt_addr,
					   access);
	if (PTR_ERR(peer) != -EFAULT)
		return peer;
	mr = hook->reg_user_mr(pd, start, length, virt_addr, access, udata);
	if (first || !IS_ERR(mr) || !hook_failed_as_peer(PTR_ERR(mr)))
		return mr;
	peer = hook_reg_peer_retry(hook, pd, start, length, virt_addr, access);
	return PTR_ERR(peer) == -EFAULT ? mr : peer;
}

static struct ib_mr *hook_reg_user_mr(struct ib_pd *pd, u64 start, u64 length,
				      u64 virt_addr, int access,
				      struct ib_udata *udata)
{
	struct hook *hook = hook_get(pd->device);
	struct ib_mr *mr;

	/* It was taken away meanwhile. */
	if (!hook)
		return pd->device->ops.reg_user_mr(pd, start, length, virt_addr,
						   access, udata);
	mr = hook_reg(hook, pd, start, length, virt_addr, access, udata);
	hook_put(hook);
	return mr;
}

/* ---- devices that come and go ---- */

static bool hook_wanted(const struct ib_device *ibdev)
{
	return ibdev->ops.reg_user_mr && ibdev->ops.reg_user_mr_dmabuf &&
	       ibdev->dma_device && !ib_peer_is_importer(ibdev);
}

static struct ib_client hook_client;

static int hook_add(struct ib_device *ibdev)
{
	struct hook *hook;

	if (!hook_wanted(ibdev))
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
	/* Whoever comes by it finds the hook. */
	smp_store_release(&ibdev->ops.reg_user_mr, hook_reg_user_mr);
	ib_set_client_data(ibdev, &hook_client, hook);
	return 0;
}

static void hook_remove(struct ib_device *ibdev, void *data)
{
	struct hook *hook = data;

	/* Before the hook goes: who does not find it takes this one. */
	smp_store_release(&ibdev->ops.reg_user_mr, hook->reg_user_mr);
	mutex_lock(&hooks_lock);
	list_del_rcu(&hook->node);
	mutex_unlock(&hooks_lock);
	/* Those on the way in, and those who are in. */
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

/* Does the device reach peer memory by a dma-buf? Its flavour, as far as known. */
bool ib_peer_hook_serves(const struct ib_device *ibdev,
			 enum ib_peer_flavour *flavour)
{
	struct hook *hook = hook_get(ibdev);

	if (!hook)
		return false;
	*flavour = READ_ONCE(hook->flavour);
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
	/* Those on the way out. */
	synchronize_rcu_tasks();
}
