// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See uffd.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uffd.h"

/* MADV_DONTNEED unmaps pages of shared memory, but does not free them. */
static int drop(void *addr, size_t length)
{
	if (!madvise(addr, length, MADV_REMOVE) ||
	    !madvise(addr, length, MADV_DONTNEED))
		return 0;
	return -errno;
}

int vt_uffd_begin(struct vt_uffd *uffd, void *addr, size_t length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)addr, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int ret;

	uffd->addr = addr;
	uffd->length = length;
	uffd->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd->fd < 0)
		return -errno;
	ret = drop(addr, length);
	if (!ret && (ioctl(uffd->fd, UFFDIO_API, &api) ||
		     ioctl(uffd->fd, UFFDIO_REGISTER, &range)))
		ret = -errno;
	if (ret)
		vt_uffd_end(uffd);
	return ret;
}

int vt_uffd_wait(struct vt_uffd *uffd, uint8_t **page)
{
	struct pollfd ready = { .fd = uffd->fd, .events = POLLIN };
	struct uffd_msg message;
	int ret = poll(&ready, 1, VT_TIMEOUT_MS);

	if (ret < 1)
		return ret ? -errno : -ETIMEDOUT;
	if (read(uffd->fd, &message, sizeof(message)) != sizeof(message))
		return -errno;
	if (message.event != UFFD_EVENT_PAGEFAULT)
		return -EBADMSG;
	if (page)
		*page = (uint8_t *)(uintptr_t)message.arg.pagefault.address;
	return 0;
}

int vt_uffd_fill(struct vt_uffd *uffd, const void *bytes)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)uffd->addr,
		.src = (uintptr_t)bytes,
		.len = uffd->length,
	};

	return ioctl(uffd->fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

void vt_uffd_end(struct vt_uffd *uffd)
{
	close(uffd->fd);
	uffd->fd = -1;
}
