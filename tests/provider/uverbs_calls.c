// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See uverbs_calls.h. */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "uverbs_calls.h"

static struct {
	unsigned int count;
	int result;
} calls[UVERBS_CALLS];

/* Older verbs are commands inside an ioctl. */
static enum uverbs_call write_command(const struct ib_uverbs_ioctl_hdr *hdr)
{
	unsigned int i;

	for (i = 0; i < hdr->num_attrs; i++) {
		if (hdr->attrs[i].attr_id == UVERBS_ATTR_WRITE_CMD &&
		    hdr->attrs[i].data == IB_USER_VERBS_CMD_REREG_MR)
			return UVERBS_CALL_REREG_MR;
	}
	return UVERBS_CALLS;
}

static enum uverbs_call find_call(const struct ib_uverbs_ioctl_hdr *hdr)
{
	if (hdr->object_id == UVERBS_OBJECT_DEVICE &&
	    hdr->method_id == UVERBS_METHOD_INVOKE_WRITE)
		return write_command(hdr);
	if (hdr->object_id != UVERBS_OBJECT_MR)
		return UVERBS_CALLS;
	switch (hdr->method_id) {
	case UVERBS_METHOD_ADVISE_MR:
		return UVERBS_CALL_ADVISE_MR;
	case UVERBS_METHOD_REG_DMABUF_MR:
		return UVERBS_CALL_REG_DMABUF_MR;
	default:
		return UVERBS_CALLS;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	enum uverbs_call call = UVERBS_CALLS;
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == RDMA_VERBS_IOCTL)
		call = find_call(arg);
	ret = syscall(SYS_ioctl, fd, request, arg);
	if (call != UVERBS_CALLS) {
		calls[call].count++;
		calls[call].result = ret ? errno : 0;
	}
	return ret;
}

unsigned int uverbs_calls(enum uverbs_call call)
{
	unsigned int count = calls[call].count;

	calls[call].count = 0;
	return count;
}

int uverbs_call_result(enum uverbs_call call)
{
	return calls[call].result;
}
