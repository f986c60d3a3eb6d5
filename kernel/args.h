/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Copying of ioctl structs that begin with their size and grow at the end.
 *
 * Input: bytes that this kernel does not know must be zero. Output: the bytes that
 * the kernel and the program both know.
 */
#ifndef PEER_ARGS_H
#define PEER_ARGS_H

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

/**
 * peer_args_get() - copy an ioctl struct from the user
 * @arg:      gets the struct
 * @ksize:    size of the struct in this version
 * @min_size: size of the struct in its first version
 * @user:     the user's struct
 * @usize:    gets the size that the user's struct states, for peer_args_put()
 *
 * Return: 0; -EFAULT bad pointer; -EINVAL the size is less than @min_size; -E2BIG
 * the size exceeds a page, or a byte beyond @ksize is not zero.
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
	/* The user may have changed the size between the two reads. */
	if (!ret)
		*(u32 *)arg = *usize;
	return ret;
}

/**
 * peer_args_put() - copy an ioctl struct to the user
 * @user:  the user's struct
 * @arg:   the struct
 * @ksize: size of the struct in this version
 * @usize: from peer_args_get()
 *
 * Return: 0, or -EFAULT for a bad pointer.
 */
static inline int peer_args_put(void __user *user, const void *arg,
				size_t ksize, u32 usize)
{
	return copy_to_user(user, arg, min_t(size_t, usize, ksize)) ? -EFAULT : 0;
}

#endif
