// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Helpers for tests of peer_vram; see vram.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vram.h"

/* ---- device file ------------------------------------------------------ */

int vram_open(int flags)
{
	int fd = open(VRAM_NODE, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vram_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

int vram_info(int fd, struct peer_vram_info *info)
{
	*info = (struct peer_vram_info){ .size = sizeof(*info) };
	return vram_ioctl(fd, PEER_VRAM_IOC_INFO, info);
}

int vram_create(int fd, uint64_t length, uint32_t flags, uint32_t *handle)
{
	struct peer_vram_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.length = length,
	};
	int ret = vram_ioctl(fd, PEER_VRAM_IOC_CREATE, &arg);

	*handle = arg.handle;
	return ret;
}

static int vram_handle_ioctl(int fd, unsigned long request, uint32_t handle)
{
	struct peer_vram_handle arg = {
		.size = sizeof(arg),
		.handle = handle,
	};

	return vram_ioctl(fd, request, &arg);
}

int vram_close(int fd, uint32_t handle)
{
	return vram_handle_ioctl(fd, PEER_VRAM_IOC_CLOSE, handle);
}

int vram_destroy(int fd, uint32_t handle)
{
	return vram_handle_ioctl(fd, PEER_VRAM_IOC_DESTROY, handle);
}

int vram_revoke(int fd, uint32_t handle)
{
	return vram_handle_ioctl(fd, PEER_VRAM_IOC_REVOKE, handle);
}

int vram_lookup(int fd, const void *addr, uint32_t *handle, uint64_t *offset)
{
	struct peer_vram_lookup arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
	};
	int ret = vram_ioctl(fd, PEER_VRAM_IOC_LOOKUP, &arg);

	*handle = arg.handle;
	if (offset)
		*offset = arg.offset;
	return ret;
}

int vram_move(int fd, uint32_t handle, uint32_t domain)
{
	struct peer_vram_move arg = {
		.size = sizeof(arg),
		.handle = handle,
		.domain = domain,
	};

	return vram_ioctl(fd, PEER_VRAM_IOC_MOVE, &arg);
}

int vram_query(int fd, uint32_t handle, struct peer_vram_query *query)
{
	*query = (struct peer_vram_query){
		.size = sizeof(*query),
		.handle = handle,
	};
	return vram_ioctl(fd, PEER_VRAM_IOC_QUERY, query);
}

static int vram_rw(int fd, unsigned long request, uint32_t handle,
		   uint64_t offset, const void *buf, size_t length)
{
	struct peer_vram_rw arg = {
		.size = sizeof(arg),
		.handle = handle,
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)buf,
	};

	return vram_ioctl(fd, request, &arg);
}

int vram_read(int fd, uint32_t handle, uint64_t offset, void *buf, size_t length)
{
	return vram_rw(fd, PEER_VRAM_IOC_READ, handle, offset, buf, length);
}

int vram_write(int fd, uint32_t handle, uint64_t offset, const void *buf,
	       size_t length)
{
	return vram_rw(fd, PEER_VRAM_IOC_WRITE, handle, offset, buf, length);
}

int vram_blocks(int fd, uint32_t handle, struct peer_vram_block *blocks,
		uint32_t max_blocks)
{
	struct peer_vram_blocks arg = {
		.size = sizeof(arg),
		.handle = handle,
		.count = max_blocks,
		.blocks = (uintptr_t)blocks,
	};
	int ret = vram_ioctl(fd, PEER_VRAM_IOC_BLOCKS, &arg);

	return ret ? ret : (int)arg.count;
}

int vram_share(int fd, uint32_t handle)
{
	struct peer_vram_share arg = {
		.size = sizeof(arg),
		.handle = handle,
	};
	int ret = vram_ioctl(fd, PEER_VRAM_IOC_SHARE, &arg);

	return ret ? ret : arg.fd;
}

int vram_import(int fd, int dmabuf, uint32_t *handle)
{
	struct peer_vram_share arg = {
		.size = sizeof(arg),
		.fd = dmabuf,
	};
	int ret = vram_ioctl(fd, PEER_VRAM_IOC_IMPORT, &arg);

	*handle = arg.handle;
	return ret;
}

void *vram_map(int fd, uint32_t handle, size_t length, int prot)
{
	struct peer_vram_query query = {};
	void *addr;
	int ret;

	if (handle) {
		ret = vram_query(fd, handle, &query);
		if (ret) {
			errno = -ret;
			return NULL;
		}
	}
	addr = mmap(NULL, length, prot, MAP_SHARED, fd, query.mmap_offset);
	return addr == MAP_FAILED ? NULL : addr;
}

void *vram_make_filled(int fd, size_t length, uint32_t flags, uint32_t seed,
		       uint32_t *handle)
{
	int ret = vram_create(fd, length, flags, handle);
	void *map;

	if (ret) {
		errno = -ret;
		return NULL;
	}
	map = vram_map(fd, *handle, length, PROT_READ | PROT_WRITE);
	if (map)
		pattern_fill(map, length, seed, 0);
	return map;
}

int vram_wait_empty(int seconds)
{
	struct timespec nap = { .tv_nsec = 20 * 1000 * 1000 };
	struct peer_vram_info info;
	int fd, ret, n;

	fd = vram_open(O_RDWR);
	if (fd < 0)
		return fd;
	for (n = 0; n < seconds * 50; n++) {
		ret = vram_info(fd, &info);
		if (ret || (!info.objects && !info.vram_used &&
			    !info.vram_pinned && !info.system_used))
			break;
		ret = -ETIMEDOUT;
		nanosleep(&nap, NULL);
	}
	close(fd);
	return ret;
}

/* ---- patterns --------------------------------------------------------- */

uint64_t pattern_word(uint32_t seed, uint64_t index)
{
	/* Multiplying by an odd number is injective. The product is never 0. */
	return (((uint64_t)seed << 32) + index + 1) * 0x9e3779b97f4a7c15ULL;
}

void pattern_fill(void *buf, size_t length, uint32_t seed, uint64_t first)
{
	uint64_t *word = buf;
	size_t i;

	for (i = 0; i < length / 8; i++)
		word[i] = pattern_word(seed, first + i);
}

int64_t pattern_check(const void *buf, size_t length, uint32_t seed,
		      uint64_t first)
{
	const uint64_t *word = buf;
	size_t i;

	for (i = 0; i < length / 8; i++)
		if (word[i] != pattern_word(seed, first + i))
			return i;
	return -1;
}

int64_t zero_check(const void *buf, size_t length)
{
	const uint64_t *word = buf;
	size_t i;

	for (i = 0; i < length / 8; i++)
		if (word[i])
			return i;
	return -1;
}

/* ---- accesses that may raise a signal --------------------------------- */

static _Thread_local sigjmp_buf touch_env;

static void touch_handler(int sig)
{
	siglongjmp(touch_env, sig);
}

static void touch_catch(void)
{
	struct sigaction action = { .sa_handler = touch_handler };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

int touch_read(const volatile void *addr)
{
	int sig;

	touch_catch();
	sig = sigsetjmp(touch_env, 1);
	if (!sig)
		(void)*(const volatile char *)addr;
	return sig;
}

int touch_write(volatile void *addr)
{
	int sig;

	touch_catch();
	sig = sigsetjmp(touch_env, 1);
	if (!sig)
		*(volatile char *)addr = 1;
	return sig;
}

/* ---- sysfs and descriptors -------------------------------------------- */

int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

union fd_message {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int send_fd(int sock, int fd)
{
	union fd_message control = {};
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int recv_fd(int sock)
{
	union fd_message control = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}
