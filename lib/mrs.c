// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem_mrs() and peermem_query_mr(): statistics of registrations from /dev/peer_mem,
 * which returns one registration per ioctl.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <infiniband/peermem.h>

#include "internal.h"

static struct peermem_mr_stats to_stats(const struct peer_mem_mr *mr)
{
	struct peermem_mr_stats stats = {
		.addr = mr->addr,
		.length = mr->length,
		.resident = mr->resident,
		.faults = mr->faults,
		.invalidations = mr->invalidations,
		.prefetched = mr->prefetched,
		.number = mr->number,
		.flags = mr->flags,
		.page_size = mr->page_size,
		.regions = mr->regions,
	};

	memcpy(stats.device, mr->device, sizeof(stats.device));
	memcpy(stats.exporter, mr->exporter, sizeof(stats.exporter));
	return stats;
}

/* Reads the registration after @number. Return: 0, ENODATA at the end, or errno. */
static int next_mr(int fd, pid_t pid, uint32_t number,
		   struct peermem_mr_stats *stats)
{
	struct peer_mem_mr mr = {
		.size = sizeof(mr),
		.pid = pid,
		.number = number,
	};

	if (ioctl(fd, PEER_MEM_IOC_NEXT_MR, &mr))
		return errno == ENOENT ? ENODATA : errno;
	*stats = to_stats(&mr);
	return 0;
}

PEERMEM_EXPORT
int peermem_mrs(pid_t pid, struct peermem_mr_stats *stats, size_t stat_size,
		size_t room, size_t *count)
{
	struct peermem_mr_stats one = { .number = 0 };
	int error, fd;

	*count = 0;
	if (stat_size < sizeof(*stats))
		return errno = EINVAL;
	fd = peermem_chardev_open();
	if (fd < 0)
		return errno;
	while (!(error = next_mr(fd, pid, one.number, &one))) {
		if (*count < room)
			peermem_copy_out((char *)stats + *count * stat_size,
					 stat_size, &one, sizeof(one));
		(*count)++;
	}
	close(fd);
	return errno = error == ENODATA ? 0 : error;
}

static int is_same_mr(const struct peermem_mr_stats *stats,
		      const struct ibv_mr *mr)
{
	return stats->addr == (uintptr_t)mr->addr &&
	       stats->length == mr->length &&
	       !(stats->flags & PEER_MEM_MR_DMABUF) &&
	       !strcmp(stats->device, ibv_get_device_name(mr->context->device));
}

PEERMEM_EXPORT
int peermem_query_mr(struct ibv_mr *mr, struct peermem_mr_stats *stats,
		     size_t stat_size)
{
	struct peermem_mr_stats one = { .number = 0 };
	int found = ENODATA;
	int error, fd;

	if (stat_size < sizeof(*stats))
		return errno = EINVAL;
	fd = peermem_chardev_open();
	if (fd < 0)
		return errno;
	while (!(error = next_mr(fd, 0, one.number, &one)))
		if (is_same_mr(&one, mr))
			found = peermem_copy_out(stats, stat_size, &one,
						 sizeof(one));
	close(fd);
	return errno = error == ENODATA ? found : error;
}
