// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Questions and requests to the core, by /dev/peer_mem.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <infiniband/peermem.h>

#include "internal.h"

static void copy_verdict(struct peermem_verdict *to,
			 const struct peer_mem_verdict *from)
{
	to->error = from->error;
	to->reason = (enum peer_mem_reason)from->reason;
}

int peermem_call(unsigned long request, void *arg)
{
	int fd = peermem_node_open();
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
			  struct peermem_answer *answer)
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
	memset(answer, 0, sizeof(*answer));
	copy_verdict(&answer->pinned, &query.pinned);
	copy_verdict(&answer->on_demand, &query.on_demand);
	answer->checked = query.checked;
	answer->kinds = query.kinds;
	answer->page_size = query.page_size;
	memcpy(answer->client, query.client, sizeof(answer->client));
	return 0;
}

PEERMEM_EXPORT
int peermem_query(struct ibv_context *context, const void *addr, size_t length,
		  int access, struct peermem_answer *answer)
{
	return peermem_query_process(context, 0, addr, length, access, answer);
}

PEERMEM_EXPORT
const char *peermem_reason_str(enum peer_mem_reason reason)
{
	static const char *const words[] = {
		[PEER_MEM_OK] = "can be reached",
		[PEER_MEM_NOT_MAPPED] = "nothing is mapped in part of the range",
		[PEER_MEM_NOT_PERMITTED] =
			"the mapping does not permit such access",
		[PEER_MEM_NOBODY] =
			"device memory that no client of peer memory owns",
		[PEER_MEM_REFUSED] = "the owner of the memory refuses",
		[PEER_MEM_NO_PIN] = "the owner of the memory does not pin it",
		[PEER_MEM_SEVERAL] = "memory of several owners",
		[PEER_MEM_NO_PEER] =
			"the RDMA device does not reach peer memory",
		[PEER_MEM_NO_ON_DEMAND] =
			"the RDMA device cannot page on demand",
		[PEER_MEM_LIMIT] = "over the limit of locked memory",
		[PEER_MEM_BAD_ACCESS] =
			"access flags that the RDMA device does not take",
		[PEER_MEM_FAILED] = "the owner of the memory failed",
		[PEER_MEM_NO_PATH] = "the RDMA device cannot reach that memory from where it is",
		[PEER_MEM_NO_REVOKE] = "the RDMA device pins for good, and the owner wants to be able to take back",
	};

	if ((unsigned int)reason >= sizeof(words) / sizeof(words[0]))
		return "unknown reason";
	return words[reason];
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
