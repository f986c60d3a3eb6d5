// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What librxe maps, and which locks it makes, while it creates a queue: where they are
 * kept is its own business.
 */
#include <string.h>
#include <sys/mman.h>

#include "overlay.h"

__thread struct overlay_seen overlay_seen;

void overlay_start_watching(void)
{
	memset(&overlay_seen, 0, sizeof(overlay_seen));
}

void *overlay_mmap(void *addr, size_t length, int prot, int flags, int fd,
		   off_t offset)
{
	overlay_seen.queue = mmap(addr, length, prot, flags, fd, offset);
	return overlay_seen.queue;
}

int overlay_spin_init(pthread_spinlock_t *lock, int shared)
{
	overlay_seen.lock = lock;
	return pthread_spin_init(lock, shared);
}
