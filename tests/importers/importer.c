// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See importer.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include "../kmod/edu/edu_rdma.h"
#include "importer.h"
#include "lib/uverbs.h"

/* ---- commands ---- */

static int call_ioctl(struct im_dev *dev, struct vt_call *call)
{
	call->hdr.length = offsetof(struct vt_call,
				    attrs[call->hdr.num_attrs]);
	call->hdr.driver_id = RDMA_DRIVER_UNKNOWN;
	return ioctl(dev->fd, RDMA_VERBS_IOCTL, call) ? -errno : 0;
}

static int call_write(struct im_dev *dev, uint32_t command, const void *in,
		      size_t in_length, size_t out_length)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		char body[128];
	} message = {
		.hdr = {
			.command = command,
			.in_words = (sizeof(message.hdr) + in_length) / 4,
			.out_words = out_length / 4,
		},
	};
	size_t length = sizeof(message.hdr) + in_length;

	memcpy(message.body, in, in_length);
	return write(dev->fd, &message, length) < 0 ? -errno : 0;
}

/* @in: command without its header; @out: response, which @in also points to */
static int run_command(struct im_dev *dev, uint32_t command, const void *in,
		       size_t in_length, void *out, size_t out_length)
{
	struct vt_call call;

	if (dev->abi == IM_WRITE)
		return call_write(dev, command, in, in_length, out_length);
	vt_call_write(&call, command, in, in_length, out, out_length);
	return call_ioctl(dev, &call);
}

/* ---- devices ---- */

/* Return: true if the first line of @file is @name. */
static int file_contains(const char *file, const char *name)
{
	char text[64] = "";
	FILE *stream = fopen(file, "re");

	if (!stream)
		return 0;
	if (fgets(text, sizeof(text), stream))
		text[strcspn(text, "\n")] = 0;
	fclose(stream);
	return !strcmp(text, name);
}

static int open_uverbs(const char *name)
{
	char node[64];
	int number, fd = -ENOENT;
	glob_t found;
	size_t i;

	if (glob("/sys/class/infiniband_verbs/uverbs*/ibdev", 0, NULL, &found))
		return -ENOENT;
	for (i = 0; i < found.gl_pathc; i++) {
		if (!file_contains(found.gl_pathv[i], name) ||
		    sscanf(strstr(found.gl_pathv[i], "/uverbs"), "/uverbs%d",
			   &number) != 1)
			continue;
		snprintf(node, sizeof(node), "/dev/infiniband/uverbs%d",
			 number);
		fd = open(node, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	globfree(&found);
	return fd;
}

static int get_context(struct im_dev *dev)
{
	struct ib_uverbs_get_context_resp resp = { 0 };
	struct ib_uverbs_get_context in = { .response = (uintptr_t)&resp };
	int ret = run_command(dev, IB_USER_VERBS_CMD_GET_CONTEXT, &in, sizeof(in),
			  &resp, sizeof(resp));

	dev->async_fd = ret ? -1 : (int)resp.async_fd;
	return ret;
}

static int alloc_pd(struct im_dev *dev)
{
	struct ib_uverbs_alloc_pd_resp resp = { 0 };
	struct ib_uverbs_alloc_pd in = { .response = (uintptr_t)&resp };
	int ret = run_command(dev, IB_USER_VERBS_CMD_ALLOC_PD, &in, sizeof(in),
			  &resp, sizeof(resp));

	dev->pd = resp.pd_handle;
	return ret;
}

int im_open(struct im_dev *dev, const char *name, enum im_abi abi)
{
	int ret;

	*dev = (struct im_dev){ .fd = open_uverbs(name), .async_fd = -1 };
	if (dev->fd < 0)
		return dev->fd;
	/* Contexts can be created with write() only. */
	ret = get_context(dev);
	dev->abi = abi;
	if (!ret)
		ret = alloc_pd(dev);
	if (ret)
		im_close(dev);
	return ret;
}

void im_close(struct im_dev *dev)
{
	if (dev->async_fd >= 0)
		close(dev->async_fd);
	if (dev->fd >= 0)
		close(dev->fd);
	dev->async_fd = -1;
	dev->fd = -1;
}

/* ---- memory regions ---- */

int im_reg_mr(struct im_dev *dev, struct im_mr *mr, const void *addr,
	      uint64_t length, uint64_t iova, int access)
{
	struct ib_uverbs_reg_mr_resp resp = { 0 };
	struct ib_uverbs_reg_mr in = {
		.response = (uintptr_t)&resp,
		.start = (uintptr_t)addr,
		.length = length,
		.hca_va = iova,
		.pd_handle = dev->pd,
		.access_flags = access,
	};
	int ret = run_command(dev, IB_USER_VERBS_CMD_REG_MR, &in, sizeof(in),
			  &resp, sizeof(resp));

	*mr = (struct im_mr){
		.dev = dev,
		.handle = resp.mr_handle,
		.lkey = resp.lkey,
		.rkey = resp.rkey,
	};
	return ret;
}

int im_reg_dmabuf_mr(struct im_dev *dev, struct im_mr *mr, uint64_t offset,
		     uint64_t length, uint64_t iova, int fd, int access,
		     uint32_t driver)
{
	struct {
		struct vt_call call;
		struct ib_uverbs_attr driver_attr;
	} of = { .call.hdr = {
		.object_id = UVERBS_OBJECT_MR,
		.method_id = UVERBS_METHOD_REG_DMABUF_MR,
	} };
	struct ib_uverbs_ioctl_hdr *hdr = &of.call.hdr;
	int ret;

	*mr = (struct im_mr){ .dev = dev };
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0, 0);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0, dev->pd);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8, offset);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8, length);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8, iova);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_FD, 4, (uint32_t)fd);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4, access);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, 4,
		     (uintptr_t)&mr->lkey);
	vt_call_attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, 4,
		     (uintptr_t)&mr->rkey);
	if (driver)
		vt_call_attr(hdr, EDU_RDMA_ATTR_REG_FLAGS, 4, driver);
	ret = call_ioctl(dev, &of.call);
	mr->handle = of.call.attrs[0].data;
	return ret;
}

int im_dereg_mr(struct im_mr *mr)
{
	struct ib_uverbs_dereg_mr in = { .mr_handle = mr->handle };

	return run_command(mr->dev, IB_USER_VERBS_CMD_DEREG_MR, &in, sizeof(in),
		       NULL, 0);
}

int im_reg_mem(struct im_dev *dev, struct im_mr *mr, const struct vt_mem *mem,
	       uint64_t offset, uint64_t length, uint64_t iova, int access)
{
	if (mem->dmabuf >= 0)
		return im_reg_dmabuf_mr(dev, mr, offset, length, iova,
					mem->dmabuf, access, 0);
	return im_reg_mr(dev, mr, mem->addr + offset, length, iova, access);
}
