// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Example: libfabric's verbs provider with video memory. fi_write() and fi_read()
 * between two endpoints of one process; all bytes are compared. See
 * docs/applications.md.
 *
 * usage: libfabric ADDRESS      an address of this machine
 */
#include <string.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include "vram.h"

#define SIZE (4 << 20)
#define PORT "7471"
#define VERSION FI_VERSION(1, 17)

static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_eq *eq;
static struct fid_cq *cq;

static void need(int ret, const char *what)
{
	if (ret)
		errx(1, "%s: %s", what, fi_strerror(-ret));
}

static struct fi_info *info_of(const char *address, uint64_t flags)
{
	struct fi_info *hints = fi_allocinfo(), *info;

	if (!hints)
		errx(1, "no memory");
	hints->caps = FI_RMA;
	hints->ep_attr->type = FI_EP_MSG;
	hints->fabric_attr->prov_name = strdup("verbs");
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR |
				      FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	need(fi_getinfo(VERSION, address, PORT, flags, hints, &info),
	     "fi_getinfo");
	fi_freeinfo(hints);
	return info;
}

static struct fid_ep *new_endpoint(struct fi_info *info)
{
	struct fid_ep *ep;

	need(fi_endpoint(domain, info, &ep, NULL), "fi_endpoint");
	need(fi_ep_bind(ep, &eq->fid, 0), "an endpoint's events");
	need(fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV),
	     "an endpoint's completions");
	need(fi_enable(ep), "fi_enable");
	return ep;
}

static struct fi_info *wait_for(uint32_t wanted)
{
	struct fi_eq_cm_entry entry;
	uint32_t event;
	ssize_t ret = fi_eq_sread(eq, &event, &entry, sizeof(entry), -1, 0);

	if (ret < 0)
		need(ret, "connecting");
	if (event != wanted)
		errx(1, "connecting: event %u instead of %u", event, wanted);
	return entry.info;
}

static struct fid_mr *new_mr(void *addr)
{
	struct fid_mr *mr;

	need(fi_mr_reg(domain, addr, SIZE, FI_READ | FI_WRITE |
		       FI_REMOTE_READ | FI_REMOTE_WRITE, 0, 0, 0, &mr, NULL),
	     "fi_mr_reg");
	return mr;
}

static void complete(ssize_t posted, const char *what)
{
	struct fi_cq_err_entry error = { 0 };
	struct fi_cq_entry entry;
	ssize_t ret;

	need(posted, what);
	do
		ret = fi_cq_read(cq, &entry, 1);
	while (ret == -FI_EAGAIN);
	if (ret == -FI_EAVAIL && fi_cq_readerr(cq, &error, 0) == 1)
		need(-error.err, what);
	if (ret != 1)
		need(ret, what);
}

static void transfers(struct fid_ep *ep)
{
	char *ours = vram_map(SIZE), *theirs = vram_map(SIZE);
	struct fid_mr *mr = new_mr(ours), *remote = new_mr(theirs);
	uint64_t at = (uintptr_t)theirs;

	vram_fill(ours, SIZE, 1);
	complete(fi_write(ep, ours, SIZE, fi_mr_desc(mr), 0, at,
			  fi_mr_key(remote), NULL), "fi_write");
	vram_check("written from", ours, SIZE, 1);
	vram_check("written to", theirs, SIZE, 1);

	vram_fill(theirs, SIZE, 2);
	complete(fi_read(ep, ours, SIZE, fi_mr_desc(mr), 0, at,
			 fi_mr_key(remote), NULL), "fi_read");
	vram_check("read from", theirs, SIZE, 2);
	vram_check("read to", ours, SIZE, 2);
	fi_close(&remote->fid);
	fi_close(&mr->fid);
}

int main(int argc, char **argv)
{
	struct fi_eq_attr eq_attr = { .wait_obj = FI_WAIT_UNSPEC };
	struct fi_cq_attr cq_attr = { .format = FI_CQ_FORMAT_CONTEXT };
	struct fi_info *info, *source, *request;
	struct fid_ep *near, *far;
	struct fid_pep *listener;

	if (argc != 2)
		errx(2, "usage: libfabric ADDRESS");
	source = info_of(argv[1], FI_SOURCE);
	info = info_of(argv[1], 0);
	need(fi_fabric(info->fabric_attr, &fabric, NULL), "fi_fabric");
	need(fi_domain(fabric, info, &domain, NULL), "fi_domain");
	need(fi_eq_open(fabric, &eq_attr, &eq, NULL), "fi_eq_open");
	need(fi_cq_open(domain, &cq_attr, &cq, NULL), "fi_cq_open");

	need(fi_passive_ep(fabric, source, &listener, NULL), "fi_passive_ep");
	need(fi_pep_bind(listener, &eq->fid, 0), "a listener's events");
	need(fi_listen(listener), "fi_listen");
	near = new_endpoint(info);
	need(fi_connect(near, info->dest_addr, NULL, 0), "fi_connect");
	request = wait_for(FI_CONNREQ);
	far = new_endpoint(request);
	need(fi_accept(far, NULL, 0), "fi_accept");
	wait_for(FI_CONNECTED);
	wait_for(FI_CONNECTED);

	transfers(near);
	fi_shutdown(near, 0);
	fi_close(&near->fid);
	fi_close(&far->fid);
	fi_close(&listener->fid);
	fi_close(&cq->fid);
	fi_close(&eq->fid);
	fi_close(&domain->fid);
	fi_close(&fabric->fid);
	fi_freeinfo(request);
	fi_freeinfo(info);
	fi_freeinfo(source);
	return 0;
}
