// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The character device /dev/peer_mem. See include/uapi/rdma/peer_mem.h. */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <uapi/rdma/peer_mem.h>

#include "../../args.h"
#include "user/user.h"

union chardev_arg {
	struct peer_mem_query query;
	struct peer_mem_export export;
	struct peer_mem_mr mr;
};

/*
 * struct chardev_call_desc - one ioctl
 * @size:     of its struct in this version
 * @min_size: of its struct in the first version
 * @fn:       executes it, in place
 */
struct chardev_call_desc {
	unsigned int nr;
	u32 size;
	u32 min_size;
	int (*fn)(union chardev_arg *arg, struct file **file);
};

static int chardev_query(union chardev_arg *arg, struct file **file)
{
	return ib_peer_query(&arg->query);
}

static int chardev_export(union chardev_arg *arg, struct file **file)
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

static int chardev_next_mr(union chardev_arg *arg, struct file **file)
{
	return ib_peer_next_mr(&arg->mr);
}

#define CHARDEV_CALL(_nr, _struct, _last, _fn)				\
	{								\
		.nr = PEER_MEM_IOC_##_nr,				\
		.size = sizeof(struct peer_mem_##_struct),		\
		.min_size = offsetofend(struct peer_mem_##_struct, _last), \
		.fn = _fn,						\
	}

static const struct chardev_call_desc chardev_calls[] = {
	CHARDEV_CALL(QUERY, query, covered, chardev_query),
	CHARDEV_CALL(EXPORT, export, reserved, chardev_export),
	CHARDEV_CALL(NEXT_MR, mr, exporter, chardev_next_mr),
};

/* Installs the descriptor only after the program has received its number. */
static int chardev_reply(const struct chardev_call_desc *call, void __user *user,
			 const union chardev_arg *arg, u32 size, struct file *file)
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
static int chardev_call(const struct chardev_call_desc *call, void __user *user)
{
	struct file *file = NULL;
	union chardev_arg arg;
	u32 size;
	int ret;

	ret = peer_args_get(&arg, call->size, call->min_size, user, &size);
	if (ret)
		return ret;
	ret = call->fn(&arg, &file);
	if (ret)
		return ret;
	return chardev_reply(call, user, &arg, size, file);
}

static long chardev_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(chardev_calls); i++)
		if (chardev_calls[i].nr == nr)
			return chardev_call(&chardev_calls[i], (void __user *)arg);
	return -ENOTTY;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_mem",
	.fops = &chardev_fops,
};

int ib_peer_chardev_init(void)
{
	return misc_register(&node);
}

void ib_peer_chardev_exit(void)
{
	misc_deregister(&node);
}
