// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See chardev.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "chardev.h"

int chardev_open(void)
{
	return open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
}

const char *chardev_rdma_device(void)
{
	const char *name = getenv("PEERMEM_RDMA_DEVICE");

	return name ? name : "rxe0";
}

int chardev_call(int fd, unsigned long nr, void *arg)
{
	return ioctl(fd, nr, arg) ? errno : 0;
}

struct peer_mem_query new_query(const void *addr, __u64 length, int access)
{
	struct peer_mem_query query = {
		.size = sizeof(query),
		.access = access,
		.addr = (uintptr_t)addr,
		.length = length,
	};

	strcpy(query.device, chardev_rdma_device());
	return query;
}

int chardev_next_mr(int fd, int pid, unsigned int number, struct peer_mem_mr *mr)
{
	*mr = (struct peer_mem_mr){
		.size = sizeof(*mr),
		.pid = pid,
		.number = number,
	};
	return chardev_call(fd, PEER_MEM_IOC_NEXT_MR, mr);
}
