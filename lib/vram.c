// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * VRAM devices: open, close and query the character devices of peer_vram.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "vram.h"

int peermem_vram_ioctl(struct peermem_vram *vram, unsigned long request,
		       void *arg)
{
	return ioctl(vram->fd, request, arg) ? errno : 0;
}

/* @name must not lead out of /dev. Return: a descriptor, or -1 and errno. */
static int open_device(const char *name, int flags)
{
	char path[64];
	int length;

	length = snprintf(path, sizeof(path), "/dev/%s",
			  name ? name : "peer_vram0");
	if (length >= (int)sizeof(path) || (name && strchr(name, '/'))) {
		errno = ENOENT;
		return -1;
	}
	return open(path, flags | O_CLOEXEC);
}

PEERMEM_EXPORT
struct peermem_vram *peermem_open_vram(const char *name, int flags)
{
	struct peermem_vram *vram;

	if (flags != O_RDWR && flags != O_RDONLY) {
		errno = EINVAL;
		return NULL;
	}
	vram = malloc(sizeof(*vram));
	if (!vram)
		return NULL;
	vram->writable = flags == O_RDWR;
	vram->fd = open_device(name, flags);
	if (vram->fd < 0) {
		free(vram);
		return NULL;
	}
	return vram;
}

PEERMEM_EXPORT
int peermem_close_vram(struct peermem_vram *vram)
{
	int error;

	if (!vram)
		return 0;
	error = close(vram->fd) ? errno : 0;
	free(vram);
	return errno = error;
}

PEERMEM_EXPORT
int peermem_query_vram(struct peermem_vram *vram,
		       struct peermem_vram_info *info, size_t info_size)
{
	struct peer_vram_info raw = { .size = sizeof(raw) };
	struct peermem_vram_info ours;
	int error;

	error = peermem_vram_ioctl(vram, PEER_VRAM_IOC_INFO, &raw);
	if (error)
		return errno = error;
	ours = (struct peermem_vram_info){
		.size = raw.vram_size,
		.used = raw.vram_used,
		.pinned = raw.vram_pinned,
		.pinnable = raw.vram_pinnable,
		.creatable = raw.creatable,
		.system_used = raw.system_used,
		.block_size = raw.block_size,
		.objects = raw.objects,
		.evictions = raw.evictions,
		.moves = raw.moves,
		.swapouts = raw.swapouts,
		.substituted = raw.substituted,
	};
	return errno = peermem_copy_out(info, info_size, &ours, sizeof(ours));
}
