// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Captures the memory that librxe maps for a queue and the lock that it initializes
 * while it creates the queue: librxe keeps both in private structs. The capture is per
 * thread; the creation of a queue runs in one thread.
 */
#include <string.h>
#include <sys/mman.h>

#include "overlay.h"

__thread struct overlay_capture overlay_capture;

void overlay_capture_reset(void)
{
	memset(&overlay_capture, 0, sizeof(overlay_capture));
}

void *overlay_mmap(void *addr, size_t length, int prot, int flags, int fd,
		   off_t offset)
{
	overlay_capture.queue = mmap(addr, length, prot, flags, fd, offset);
	return overlay_capture.queue;
}

int overlay_spin_init(pthread_spinlock_t *lock, int shared)
{
	overlay_capture.lock = lock;
	return pthread_spin_init(lock, shared);
}
