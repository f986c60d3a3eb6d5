// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See asked.h. */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "asked.h"

static struct {
	unsigned int times;
	int answer;
} kinds[ASKED_KINDS];

/* The older calls go as a number inside of an ioctl. */
static enum asked write_command(const struct ib_uverbs_ioctl_hdr *hdr)
{
	unsigned int i;

	for (i = 0; i < hdr->num_attrs; i++) {
		if (hdr->attrs[i].attr_id == UVERBS_ATTR_WRITE_CMD &&
		    hdr->attrs[i].data == IB_USER_VERBS_CMD_REREG_MR)
			return ASKED_REREG;
	}
	return ASKED_KINDS;
}

static enum asked kind_of(const struct ib_uverbs_ioctl_hdr *hdr)
{
	if (hdr->object_id == UVERBS_OBJECT_DEVICE &&
	    hdr->method_id == UVERBS_METHOD_INVOKE_WRITE)
		return write_command(hdr);
	if (hdr->object_id != UVERBS_OBJECT_MR)
		return ASKED_KINDS;
	switch (hdr->method_id) {
	case UVERBS_METHOD_ADVISE_MR:
		return ASKED_ADVISE;
	case UVERBS_METHOD_REG_DMABUF_MR:
		return ASKED_DMABUF;
	default:
		return ASKED_KINDS;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	enum asked kind = ASKED_KINDS;
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == RDMA_VERBS_IOCTL)
		kind = kind_of(arg);
	ret = syscall(SYS_ioctl, fd, request, arg);
	if (kind != ASKED_KINDS) {
		kinds[kind].times++;
		kinds[kind].answer = ret ? errno : 0;
	}
	return ret;
}

unsigned int asked(enum asked what)
{
	unsigned int times = kinds[what].times;

	kinds[what].times = 0;
	return times;
}

int asked_answer(enum asked what)
{
	return kinds[what].answer;
}
