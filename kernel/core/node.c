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
#include <uapi/rdma/peer_mem.h>

#include "../args.h"
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
static int node_answer(const struct node_call *call, void __user *user,
		       const union node_arg *arg, u32 size, struct file *file)
{
	int ret = peer_args_put(user, arg, call->size, size);

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

	ret = peer_args_get(&arg, call->size, call->min_size, user, &size);
	if (ret)
		return ret;
	ret = call->fn(&arg, &file);
	if (ret)
		return ret;
	return node_answer(call, user, &arg, size, file);
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
