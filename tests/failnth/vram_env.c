// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See vram_env.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vram_env.h"

int vram_env_open(struct vram_env *n)
{
	n->domain = PEER_VRAM_DOMAIN_VRAM;
	n->fd = vram_open(O_RDWR);
	if (n->fd < 0)
		return n->fd;
	n->map = vram_make_filled(n->fd, LENGTH, 0, SEED, &n->handle);
	return n->map ? 0 : -errno;
}

int vram_env_close(struct vram_env *n)
{
	if (munmap(n->map, LENGTH) || close(n->fd))
		return -errno;
	return vram_wait_empty(10);
}

int check_bytes(int fd, uint32_t handle)
{
	static char buf[LENGTH];
	int ret = vram_read(fd, handle, 0, buf, LENGTH);

	if (ret)
		return ret;
	return pattern_check(buf, LENGTH, SEED, 0) < 0 ? 0 : -EILSEQ;
}

int check_zero(int fd, uint32_t handle)
{
	static char buf[LENGTH];
	int ret = vram_read(fd, handle, 0, buf, LENGTH);

	if (ret)
		return ret;
	return zero_check(buf, LENGTH) < 0 ? 0 : -EILSEQ;
}

int check_domain(struct vram_env *n, uint32_t handle, uint32_t domain)
{
	struct peer_vram_query query;
	int ret = vram_query(n->fd, handle, &query);

	if (ret)
		return ret;
	return query.domain == domain ? 0 : -EXDEV;
}

int verify_unchanged(void *env, int ret)
{
	struct vram_env *n = env;

	(void)ret;
	ret = check_domain(n, n->handle, n->domain);
	return ret ? ret : check_bytes(n->fd, n->handle);
}
