// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See late.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "late.h"

/* Shared memory keeps its pages for whoever maps it again. */
static int drop(void *addr, size_t length)
{
	if (!madvise(addr, length, MADV_REMOVE) ||
	    !madvise(addr, length, MADV_DONTNEED))
		return 0;
	return -errno;
}

int vt_late_begin(struct vt_late *late, void *addr, size_t length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)addr, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int ret;

	late->addr = addr;
	late->length = length;
	late->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (late->fd < 0)
		return -errno;
	ret = drop(addr, length);
	if (!ret && (ioctl(late->fd, UFFDIO_API, &api) ||
		     ioctl(late->fd, UFFDIO_REGISTER, &range)))
		ret = -errno;
	if (ret)
		vt_late_end(late);
	return ret;
}

int vt_late_wait(struct vt_late *late, uint8_t **page)
{
	struct pollfd ready = { .fd = late->fd, .events = POLLIN };
	struct uffd_msg message;
	int ret = poll(&ready, 1, VT_TIMEOUT_MS);

	if (ret < 1)
		return ret ? -errno : -ETIMEDOUT;
	if (read(late->fd, &message, sizeof(message)) != sizeof(message))
		return -errno;
	if (message.event != UFFD_EVENT_PAGEFAULT)
		return -EBADMSG;
	if (page)
		*page = (uint8_t *)(uintptr_t)message.arg.pagefault.address;
	return 0;
}

int vt_late_bring(struct vt_late *late, const void *bytes)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)late->addr,
		.src = (uintptr_t)bytes,
		.len = late->length,
	};

	return ioctl(late->fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

void vt_late_end(struct vt_late *late)
{
	close(late->fd);
	late->fd = -1;
}
