/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Structs of ioctls that begin with their size and grow at the end: in, where
 * what this kernel does not know must be zero, and out, as much as both know.
 */
#ifndef PEER_ARGS_H
#define PEER_ARGS_H

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

/*
 * @ksize: of the struct in this version; @min_size: in its first one; @usize: what
 * the program says, which is all that counts afterwards.
 */
static inline int peer_args_get(void *arg, size_t ksize, size_t min_size,
				void __user *user, u32 *usize)
{
	int ret;

	if (get_user(*usize, (u32 __user *)user))
		return -EFAULT;
	if (*usize < min_size)
		return -EINVAL;
	if (*usize > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(arg, ksize, user, *usize);
	/* It may have been another size by the second look. */
	if (!ret)
		*(u32 *)arg = *usize;
	return ret;
}

static inline int peer_args_put(void __user *user, const void *arg,
				size_t ksize, u32 usize)
{
	return copy_to_user(user, arg, min_t(size_t, usize, ksize)) ? -EFAULT : 0;
}

#endif
