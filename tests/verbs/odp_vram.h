/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Ioctls and counters of peer_vram: state of the VRAM and of one BO, moves, flags.
 */
#ifndef ODP_VRAM_H
#define ODP_VRAM_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "lib/mem.h"

static inline struct peer_vram_info info(int fd)
{
	struct peer_vram_info arg = { .size = sizeof(arg) };

	ioctl(fd, PEER_VRAM_IOC_INFO, &arg);
	return arg;
}

static inline struct peer_vram_query query(struct vt_mem *mem)
{
	struct peer_vram_query arg = {
		.size = sizeof(arg),
		.handle = mem->handle,
	};

	if (ioctl(mem->fd, PEER_VRAM_IOC_QUERY, &arg))
		arg.domain = UINT_MAX;
	return arg;
}

/* Moves the parts of a range. @length 0: to the end. */
static inline int move_range(struct vt_mem *mem, uint32_t domain, uint64_t offset,
			     uint64_t length)
{
	struct peer_vram_move arg = {
		.size = sizeof(arg),
		.handle = mem->handle,
		.domain = domain,
		.offset = offset,
		.length = length,
	};

	return ioctl(mem->fd, PEER_VRAM_IOC_MOVE, &arg) ? -errno : 0;
}

static inline int move(struct vt_mem *mem, uint32_t domain)
{
	return move_range(mem, domain, 0, 0);
}

static inline int set_flags(struct vt_mem *mem, uint32_t flags)
{
	struct peer_vram_set_flags arg = {
		.size = sizeof(arg),
		.handle = mem->handle,
		.flags = flags,
	};

	return ioctl(mem->fd, PEER_VRAM_IOC_SET_FLAGS, &arg) ? -errno : 0;
}

static inline long exporter_counter(const char *name)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/memory_peers/peer_vram/%s",
		 name);
	file = fopen(path, "re");
	if (file && fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

/* Waits up to 10 seconds for an empty VRAM: work items release regions and BOs. */
static inline int wait_until_empty(int fd)
{
	struct peer_vram_info now;
	int tries;

	for (tries = 0; tries < 500; tries++) {
		now = info(fd);
		if (!now.objects && !now.vram_used && !now.vram_pinned)
			return 0;
		usleep(20000);
	}
	return -EBUSY;
}

#endif
