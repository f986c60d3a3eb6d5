// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ioctls of all device nodes, see include/uapi/rdma/peer_bar.h.
 */
#include <linux/err.h>
#include <linux/sched.h>
#include <rdma/peer_bar.h>

#include "../args.h"
#include "bar.h"
#include "bar_ioctl.h"
#include "bar_memory.h"

static int bar_ioc_info(struct ib_peer_bar *bar, void __user *user)
{
	struct peer_bar_info arg;
	void *priv;
	u32 size;
	int ret;

	ret = peer_args_get(&arg, sizeof(arg),
			    offsetofend(struct peer_bar_info, allocations),
			    user, &size);
	if (ret)
		return ret;
	if (arg.flags || arg.total || arg.available || arg.allocations)
		return -EINVAL;

	priv = ib_peer_bar_enter(bar);
	if (IS_ERR(priv))
		return PTR_ERR(priv);
	if (bar_is_shared(bar))
		arg.flags |= PEER_BAR_SHARED;
	if (bar_is_registers(bar))
		arg.flags |= PEER_BAR_REGISTERS;
	arg.total = bar->desc.size;
	mutex_lock(&bar->lock);
	arg.available = bar_available(bar);
	arg.allocations = bar_is_shared(bar) ? 0 : bar->count;
	mutex_unlock(&bar->lock);
	ib_peer_bar_exit(bar);
	return peer_args_put(user, &arg, sizeof(arg), size);
}

/* Return: the memory at the address in a struct peer_bar_addr, with a reference. */
static struct ib_peer_bar_memory *bar_memory_from_user(struct ib_peer_bar *bar,
						       void __user *user)
{
	struct peer_bar_addr arg;
	u64 offset;
	u32 size;
	int ret;

	ret = peer_args_get(&arg, sizeof(arg),
			    offsetofend(struct peer_bar_addr, addr), user, &size);
	if (ret)
		return ERR_PTR(ret);
	if (arg.reserved)
		return ERR_PTR(-EINVAL);
	return ib_peer_bar_memory_get(bar, arg.addr, 1, false, &offset);
}

static int bar_ioc_revoke(struct ib_peer_bar *bar, void __user *user)
{
	struct ib_peer_bar_memory *memory = bar_memory_from_user(bar, user);

	if (IS_ERR(memory))
		return PTR_ERR(memory);
	mutex_lock(&memory->lock);
	bar_memory_revoke(memory);
	mutex_unlock(&memory->lock);
	ib_peer_bar_memory_put(memory);
	return 0;
}

static int bar_ioc_destroy(struct ib_peer_bar *bar, void __user *user)
{
	struct ib_peer_bar_memory *memory = bar_memory_from_user(bar, user);

	if (IS_ERR(memory))
		return PTR_ERR(memory);
	bar_memory_destroy(memory);
	ib_peer_bar_memory_put(memory);
	return 0;
}

long bar_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	struct ib_peer_bar *bar = filp->private_data;
	const struct ib_peer_bar_ops *ops = bar->desc.ops;
	void __user *user = (void __user *)arg;

	if (nr == PEER_BAR_IOC_INFO)
		return bar_ioc_info(bar, user);
	if (nr != PEER_BAR_IOC_REVOKE && nr != PEER_BAR_IOC_DESTROY &&
	    !(ops && ops->ioctl))
		return -ENOTTY;
	if (!(filp->f_mode & FMODE_WRITE))
		return -EACCES;
	/* One user must not end the access of the others. */
	if (nr == PEER_BAR_IOC_REVOKE)
		return bar_is_shared(bar) ? -EPERM : bar_ioc_revoke(bar, user);
	if (nr == PEER_BAR_IOC_DESTROY)
		return bar_is_shared(bar) ? -EPERM : bar_ioc_destroy(bar, user);
	return ops->ioctl(bar, nr, user);
}
