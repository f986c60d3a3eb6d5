// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Verbs ioctls with random errors: in the header, the number and IDs of attributes,
 * their lengths, flags and pointers, and the data that these point to. They use a
 * separate context, because they may destroy any object in it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include "fuzz.h"
#include "lib/uverbs.h"

#define ATTRS 5
#define SGES 16

struct raw {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[ATTRS];
};

/* The data that attributes point to. */
union body {
	struct ib_uverbs_reg_mr reg;
	struct ib_uverbs_rereg_mr rereg;
	struct ibv_sge sge[SGES];
	uint8_t bytes[SGES * sizeof(struct ibv_sge)];
};

static void make_write(struct raw *raw, uint32_t command, size_t length,
		       const union body *body, void *resp)
{
	raw->hdr.object_id = UVERBS_OBJECT_DEVICE;
	raw->hdr.method_id = UVERBS_METHOD_INVOKE_WRITE;
	vt_call_attr(&raw->hdr, UVERBS_ATTR_WRITE_CMD, 8, command);
	vt_call_attr(&raw->hdr, UVERBS_ATTR_CORE_IN, length, (uintptr_t)body);
	vt_call_attr(&raw->hdr, UVERBS_ATTR_CORE_OUT, 12, (uintptr_t)resp);
}

static void make_reg(struct fz_run *run, struct raw *raw, union body *body,
		     void *resp)
{
	body->reg.start = FZ_ARENA + fz_below(&run->rng, FZ_PAGES) * FZ_PAGE;
	body->reg.length = 1 + fz_below(&run->rng, 1 << 20);
	body->reg.hca_va = body->reg.start;
	body->reg.pd_handle = run->world->victim.pd->handle;
	body->reg.access_flags = 0x47;
	make_write(raw, IB_USER_VERBS_CMD_REG_MR, sizeof(body->reg), body,
		   resp);
}

static void make_rereg(struct fz_run *run, struct raw *raw, union body *body,
		       void *resp)
{
	body->rereg.mr_handle = fz_below(&run->rng, 8);
	body->rereg.flags = fz_below(&run->rng, 8);
	body->rereg.pd_handle = run->world->victim.pd->handle;
	body->rereg.access_flags = 0x47;
	make_write(raw, IB_USER_VERBS_CMD_REREG_MR, sizeof(body->rereg), body,
		   resp);
}

static void make_advise(struct fz_run *run, struct raw *raw, union body *body)
{
	size_t n = fz_below(&run->rng, SGES), i;

	for (i = 0; i < n; i++)
		body->sge[i] = (struct ibv_sge){
			.addr = FZ_ARENA + fz_below(&run->rng, 1 << 22),
			.length = fz_below(&run->rng, 1 << 16),
			.lkey = fz_next(&run->rng),
		};
	raw->hdr.object_id = UVERBS_OBJECT_MR;
	raw->hdr.method_id = UVERBS_METHOD_ADVISE_MR;
	vt_call_attr(&raw->hdr, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, 0,
		     run->world->victim.pd->handle);
	vt_call_attr(&raw->hdr, UVERBS_ATTR_ADVISE_MR_ADVICE, 8,
		     fz_below(&run->rng, 3));
	vt_call_attr(&raw->hdr, UVERBS_ATTR_ADVISE_MR_FLAGS, 4,
		     fz_below(&run->rng, 2));
	vt_call_attr(&raw->hdr, UVERBS_ATTR_ADVISE_MR_SGE_LIST,
		     n * sizeof(body->sge[0]), (uintptr_t)body->sge);
}

static void make_destroy(struct fz_run *run, struct raw *raw)
{
	raw->hdr.object_id = UVERBS_OBJECT_MR;
	raw->hdr.method_id = fz_chance(&run->rng, 50) ?
		UVERBS_METHOD_MR_DESTROY : UVERBS_METHOD_QUERY_MR;
	vt_call_attr(&raw->hdr, UVERBS_ATTR_DESTROY_MR_HANDLE, 0,
		     fz_below(&run->rng, 8));
}

static void mutate(struct fz_run *run, struct raw *raw, union body *body)
{
	uint64_t edge = fz_boundary(&run->rng);
	struct ib_uverbs_attr *a = &raw->attrs[fz_below(&run->rng, ATTRS)];

	switch (fz_below(&run->rng, 10)) {
	case 0:
		a->len = edge;
		break;
	case 1:
		a->flags = edge;
		break;
	case 2:
		a->data = edge;
		break;
	case 3:
		a->attr_data.reserved = edge;
		break;
	case 4:
		a->attr_id = fz_below(&run->rng, 8);
		break;
	case 5:
		raw->hdr.num_attrs = fz_below(&run->rng, ATTRS + 2);
		break;
	case 6:
		raw->hdr.reserved1 = fz_chance(&run->rng, 50) ? edge : 0;
		raw->hdr.reserved2 = edge;
		break;
	case 7:
		raw->hdr.length = edge;
		break;
	default:
		body->bytes[fz_below(&run->rng, sizeof(*body))] ^=
			1 << fz_below(&run->rng, 8);
		memcpy(body->bytes + fz_below(&run->rng, 6) * 8, &edge,
		       fz_chance(&run->rng, 50) ? 8 : 4);
	}
}

static void op_raw(struct fz_run *run)
{
	union body *body = (void *)run->scratch;
	void *resp = run->scratch + FZ_PAGE;
	struct raw raw = {};
	int n;
	long ret;

	memset(body, 0, sizeof(*body));
	switch (fz_below(&run->rng, 4)) {
	case 0:
		make_reg(run, &raw, body, resp);
		break;
	case 1:
		make_rereg(run, &raw, body, resp);
		break;
	case 2:
		make_advise(run, &raw, body);
		break;
	case 3:
		make_destroy(run, &raw);
		break;
	}
	raw.hdr.driver_id = RDMA_DRIVER_RXE;
	for (n = fz_below(&run->rng, 4); n; n--)
		mutate(run, &raw, body);
	if (!raw.hdr.length)
		raw.hdr.length = sizeof(raw.hdr) +
				 raw.hdr.num_attrs * sizeof(raw.attrs[0]);
	fz_begin(run, "raw", raw.hdr.object_id, raw.hdr.method_id,
		 raw.hdr.num_attrs, raw.hdr.length, 0);
	memcpy(run->args + FZ_PAGE - sizeof(raw), &raw, sizeof(raw));
	ret = ioctl(run->world->victim.ctx->cmd_fd, RDMA_VERBS_IOCTL,
		    run->args + FZ_PAGE - sizeof(raw)) ? -errno : 0;
	/* Results depend on keys that are valid by chance: not reproducible. */
	fz_end(run, 0);
	if (ret == -EIO || ret == -ETIMEDOUT)
		fz_fail(run, "got %s", strerrorname_np(-ret));
}

const struct fz_op fz_ops_raw[] = {
	{ "raw", 30, op_raw },
	{},
};
