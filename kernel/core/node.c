// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * /dev/peer_mem: the core's own face to programs. See uapi/rdma/peer_mem.h.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <uapi/rdma/peer_mem.h>

#include "ib_peer.h"

/* Up to the last field of the first version. */
#define QUERY_MIN_SIZE \
	(offsetof(struct peer_mem_query, checked) + sizeof(__u64))

static int node_query(struct peer_mem_query __user *user)
{
	struct peer_mem_query query;
	u32 size;
	int ret;

	if (get_user(size, &user->size))
		return -EFAULT;
	if (size < QUERY_MIN_SIZE)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&query, sizeof(query), user, size);
	if (ret)
		return ret;
	ret = ib_peer_query(&query);
	if (ret)
		return ret;
	query.size = size;
	if (copy_to_user(user, &query, min_t(size_t, size, sizeof(query))))
		return -EFAULT;
	return 0;
}

static long node_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	if (nr == PEER_MEM_IOC_QUERY)
		return node_query((void __user *)arg);
	return -ENOTTY;
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_mem",
	.fops = &node_fops,
};

int ib_peer_node_init(void)
{
	return misc_register(&node);
}

void ib_peer_node_exit(void)
{
	misc_deregister(&node);
}
