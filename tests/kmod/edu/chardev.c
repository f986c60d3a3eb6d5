// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The device file /dev/edu_rdma: see edu_rdma.h. It stays when the device is
 * removed.
 */
#include <linux/miscdevice.h>
#include <linux/uaccess.h>

#include "edu.h"

DECLARE_RWSEM(edu_lock);
struct edu *edu_instance;

static long ioctl_access(const struct edu_rdma_access *arg)
{
	long ret = -ENODEV;

	if (arg->reserved || arg->device >= EDU_RDMA_DEVICES ||
	    arg->flags & ~(EDU_RDMA_WRITE | EDU_RDMA_LOCAL | EDU_RDMA_STALE))
		return -EINVAL;
	down_read(&edu_lock);
	if (edu_instance)
		ret = edu_access(edu_instance->devices[arg->device], arg);
	up_read(&edu_lock);
	return ret;
}

static long ioctl_kernel_mr(const struct edu_rdma_kernel_mr *arg)
{
	long ret = -ENODEV;

	if (arg->device >= EDU_RDMA_DEVICES)
		return -EINVAL;
	down_read(&edu_lock);
	if (edu_instance)
		ret = edu_kernel_mr(edu_instance->devices[arg->device], arg);
	up_read(&edu_lock);
	return ret;
}

static void get_stats(const struct edu_stats *from, struct edu_rdma_stats *to)
{
	to->mrs = atomic64_read(&from->mrs);
	to->mappings = atomic64_read(&from->mappings);
	to->unmappings = atomic64_read(&from->unmappings);
	to->notifies = atomic64_read(&from->notifies);
	to->revocations = atomic64_read(&from->revocations);
	to->faults = atomic64_read(&from->faults);
}

static long ioctl_stats(struct edu_rdma_stats *arg)
{
	long ret = -ENODEV;

	if (arg->device >= EDU_RDMA_DEVICES)
		return -EINVAL;
	down_read(&edu_lock);
	if (edu_instance) {
		get_stats(&edu_instance->devices[arg->device]->stats, arg);
		arg->transfers = READ_ONCE(edu_instance->engine.transfers);
		ret = 0;
	}
	up_read(&edu_lock);
	return ret;
}

static long chardev_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct edu_rdma_kernel_mr kernel_mr;
	struct edu_rdma_access access;
	struct edu_rdma_stats stats;
	long ret;

	switch (cmd) {
	case EDU_RDMA_ACCESS:
		if (copy_from_user(&access, user, sizeof(access)))
			return -EFAULT;
		return ioctl_access(&access);
	case EDU_RDMA_STATS:
		if (copy_from_user(&stats, user, sizeof(stats)))
			return -EFAULT;
		ret = ioctl_stats(&stats);
		if (!ret && copy_to_user(user, &stats, sizeof(stats)))
			ret = -EFAULT;
		return ret;
	case EDU_RDMA_KERNEL_MR:
		if (copy_from_user(&kernel_mr, user, sizeof(kernel_mr)))
			return -EFAULT;
		return ioctl_kernel_mr(&kernel_mr);
	}
	return -ENOTTY;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = chardev_ioctl,
};

static struct miscdevice miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "edu_rdma",
	.fops = &chardev_fops,
};

int edu_chardev_add(void)
{
	return misc_register(&miscdev);
}

void edu_chardev_remove(void)
{
	misc_deregister(&miscdev);
}
