/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the files of the library share. What it shows to programs is marked; the
 * same names stand in libpeermem.map.
 */
#ifndef PEERMEM_INTERNAL_H
#define PEERMEM_INTERNAL_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define PEERMEM_EXPORT __attribute__((visibility("default")))

/* A descriptor, or -1 and errno. */
static inline int peermem_node_open(void)
{
	return open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
}

/*
 * One call of /dev/peer_mem, which is opened each time: a program may fork, and
 * drop its rights. Return: 0 or errno.
 */
int peermem_call(unsigned long request, void *arg);

/*
 * A struct of ours into the caller's, which may have fields that we have not.
 * Return: 0 or EINVAL.
 */
static inline int peermem_give(void *to, size_t size, const void *from,
			       size_t ours)
{
	if (size < ours)
		return EINVAL;
	memcpy(to, from, ours);
	memset((char *)to + ours, 0, size - ours);
	return 0;
}

#endif
