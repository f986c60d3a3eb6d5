// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * /dev/peer_mem: the core's own face to programs. See uapi/rdma/peer_mem.h.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <uapi/rdma/peer_mem.h>

#include "ib_peer.h"

union node_arg {
	struct peer_mem_query query;
	struct peer_mem_export export;
	struct peer_mem_mr mr;
};

/*
 * struct node_call - a row of the table
 * @size:     of the struct in this version
 * @min_size: of the struct in its first version
 * @fn:       does it, in place
 */
struct node_call {
	unsigned int nr;
	u32 size;
	u32 min_size;
	int (*fn)(union node_arg *arg, struct file **file);
};

static int node_query(union node_arg *arg, struct file **file)
{
	return ib_peer_query(&arg->query);
}

static int node_export(union node_arg *arg, struct file **file)
{
	struct dma_buf *dmabuf = ib_peer_export(&arg->export);

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->export.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->export.fd < 0) {
		dma_buf_put(dmabuf);
		return arg->export.fd;
	}
	*file = dmabuf->file;
	return 0;
}

static int node_next_mr(union node_arg *arg, struct file **file)
{
	return ib_peer_next_mr(&arg->mr);
}

#define NODE_CALL(_nr, _struct, _last, _fn)				\
	{								\
		.nr = PEER_MEM_IOC_##_nr,				\
		.size = sizeof(struct peer_mem_##_struct),		\
		.min_size = offsetofend(struct peer_mem_##_struct, _last), \
		.fn = _fn,						\
	}

static const struct node_call node_calls[] = {
	NODE_CALL(QUERY, query, checked, node_query),
	NODE_CALL(EXPORT, export, reserved, node_export),
	NODE_CALL(NEXT_MR, mr, client, node_next_mr),
};

/* A descriptor is there when the program knows its number, and not before. */
static int node_answer(void __user *user, const union node_arg *arg,
		       size_t size, struct file *file)
{
	int ret = copy_to_user(user, arg, size) ? -EFAULT : 0;

	if (file && ret) {
		put_unused_fd(arg->export.fd);
		fput(file);
	} else if (file) {
		fd_install(arg->export.fd, file);
	}
	return ret;
}

/* Every struct begins with its size. */
static int node_do(const struct node_call *call, void __user *user)
{
	struct file *file = NULL;
	union node_arg arg;
	u32 size;
	int ret;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < call->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&arg, call->size, user, size);
	if (ret)
		return ret;
	ret = call->fn(&arg, &file);
	if (ret)
		return ret;
	/* It may have been another one by the second look. */
	*(u32 *)&arg = size;
	return node_answer(user, &arg, min(size, call->size), file);
}

static long node_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(node_calls); i++)
		if (node_calls[i].nr == nr)
			return node_do(&node_calls[i], (void __user *)arg);
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
