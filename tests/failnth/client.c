// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See client.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"
#include "lib/proc.h"

int load_client(void)
{
	char path[PATH_MAX];
	int ret = vt_find_test_module("peerdirect_test.ko", path, sizeof(path));
	int fd;

	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

int unload_client(void)
{
	return syscall(SYS_delete_module, "peerdirect_test", O_NONBLOCK) ?
	       -errno : 0;
}
