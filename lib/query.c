// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queries and exports by ioctls of /dev/peer_mem.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <infiniband/peermem.h>

#include "internal.h"

static void copy_result(struct peermem_result *to,
			const struct peer_mem_result *from)
{
	to->error = from->error;
	to->status = (enum peer_mem_status)from->status;
}

int peermem_call(unsigned long request, void *arg)
{
	int fd = peermem_chardev_open();
	int error;

	if (fd < 0)
		return errno;
	error = ioctl(fd, request, arg) ? errno : 0;
	close(fd);
	return error;
}

PEERMEM_EXPORT
int peermem_query_process(struct ibv_context *context, pid_t pid,
			  const void *addr, size_t length, int access,
			  struct peermem_query_result *result)
{
	struct peer_mem_query query = {
		.size = sizeof(query),
		.access = (uint32_t)access,
		.addr = (uintptr_t)addr,
		.length = length,
		.pid = pid,
	};
	const char *name = ibv_get_device_name(context->device);

	if (strlen(name) >= sizeof(query.device))
		return errno = ENODEV;
	memcpy(query.device, name, strlen(name));
	errno = peermem_call(PEER_MEM_IOC_QUERY, &query);
	if (errno)
		return errno;
	memset(result, 0, sizeof(*result));
	copy_result(&result->pinned, &query.pinned);
	copy_result(&result->on_demand, &query.on_demand);
	result->covered = query.covered;
	result->kinds = query.kinds;
	result->page_size = query.page_size;
	memcpy(result->exporter, query.exporter, sizeof(result->exporter));
	return 0;
}

PEERMEM_EXPORT
int peermem_query(struct ibv_context *context, const void *addr, size_t length,
		  int access, struct peermem_query_result *result)
{
	return peermem_query_process(context, 0, addr, length, access, result);
}

PEERMEM_EXPORT
const char *peermem_status_str(enum peer_mem_status status)
{
	static const char *const strings[] = {
		[PEER_MEM_OK] = "accessible",
		[PEER_MEM_NOT_MAPPED] = "not mapped",
		[PEER_MEM_NOT_PERMITTED] = "access not permitted by mapping",
		[PEER_MEM_NO_EXPORTER] = "no exporter",
		[PEER_MEM_DENIED] = "denied by exporter",
		[PEER_MEM_NO_PIN] = "pinning not supported by exporter",
		[PEER_MEM_MIXED] = "mixed ranges",
		[PEER_MEM_NO_PEER_SUPPORT] =
			"peer memory not supported by RDMA device",
		[PEER_MEM_NO_ON_DEMAND] =
			"on-demand paging not supported by RDMA device",
		[PEER_MEM_MEMLOCK_LIMIT] = "RLIMIT_MEMLOCK exceeded",
		[PEER_MEM_BAD_ACCESS] = "invalid access flags",
		[PEER_MEM_EXPORTER_FAILED] = "exporter failed",
		[PEER_MEM_NO_P2P_ROUTE] = "no P2P route",
		[PEER_MEM_NO_REVOKE] =
			"revocation not supported by RDMA device",
	};

	if ((unsigned int)status >= sizeof(strings) / sizeof(strings[0]))
		return "unknown status";
	return strings[status];
}

PEERMEM_EXPORT
int peermem_export_range(const void *addr, size_t length, uint32_t flags,
			 int *fd)
{
	struct peer_mem_export export = {
		.size = sizeof(export),
		.flags = flags,
		.addr = (uintptr_t)addr,
		.length = length,
	};

	errno = peermem_call(PEER_MEM_IOC_EXPORT, &export);
	if (!errno)
		*fd = export.fd;
	return errno;
}
