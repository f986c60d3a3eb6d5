/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Internal interface between the files of the library. Public functions have the mark
 * PEERMEM_EXPORT; libpeermem.map lists the same names.
 */
#ifndef PEERMEM_INTERNAL_H
#define PEERMEM_INTERNAL_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define PEERMEM_EXPORT __attribute__((visibility("default")))

/* Return: a descriptor, or -1 and errno. */
static inline int peermem_chardev_open(void)
{
	return open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
}

/*
 * Performs one ioctl of /dev/peer_mem. Opens the device for each call, because a
 * program may fork or drop its privileges in between. Return: 0 or errno.
 */
int peermem_call(unsigned long request, void *arg);

/*
 * Copies a struct of the library to the caller's struct, which may be longer; the rest
 * becomes zero. Return: 0, or EINVAL if the caller's struct is too short.
 */
static inline int peermem_copy_out(void *to, size_t size, const void *from,
			       size_t ours)
{
	if (size < ours)
		return EINVAL;
	memcpy(to, from, ours);
	memset((char *)to + ours, 0, size - ours);
	return 0;
}

#endif
