// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Work requests with several SGEs of different lengths, by ibv_wr_set_sge_list(): they
 * transfer all bytes, and no others.
 */
#include <kselftest_harness.h>

#include "lib/link.h"
#include "lib/pattern.h"

#define SIZE 65536
#define MAX_SGE 4

FIXTURE(list)
{
	VT_LINK;
};

FIXTURE_VARIANT(list)
{
	const struct vt_mem_kind *kind;
	int access;
};

FIXTURE_VARIANT_ADD(list, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(list, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(list, on_demand_vram)
{
	.kind = &vt_mem_vram, .access = VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND,
};

FIXTURE_SETUP(list)
{
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  variant->access, NULL));
	ASSERT_NE(NULL, self->pair.end[0].qpx);
}

FIXTURE_TEARDOWN(list)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

typedef FIXTURE_DATA(list) list_t;

/*
 * Creates SGEs in the memory of both sides in turn, far apart, and copies the expected
 * bytes to @want. Return: the number of bytes.
 */
static uint32_t gather(list_t *self, const uint32_t *lengths, int n,
		       struct ibv_sge *sges, uint8_t *want)
{
	struct vt_buf *bufs[] = { &self->there, &self->here };
	uint32_t done = 0;
	int i;

	for (i = 0; i < n; i++) {
		uint64_t at = 32 + i * 8192;

		sges[i] = vt_sge(bufs[i % 2], at, lengths[i]);
		memcpy(want + done, bufs[i % 2]->shadow + at, lengths[i]);
		done += lengths[i];
	}
	return done;
}

/* Builds an RDMA WRITE of all SGEs to the remote memory. */
static void start_write(list_t *self, const struct ibv_sge *sges, int n,
			uint64_t to)
{
	struct vt_remote at = vt_remote(&self->there, to);
	struct ibv_qp_ex *qpx = self->pair.end[0].qpx;

	qpx->wr_id = to;
	qpx->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_rdma_write(qpx, at.rkey, at.addr);
	ibv_wr_set_sge_list(qpx, n, sges);
}

static void write_list(struct __test_metadata *_metadata, list_t *self,
		       const uint32_t *lengths, int n)
{
	struct ibv_qp_ex *qpx = self->pair.end[0].qpx;
	struct ibv_sge sges[MAX_SGE];
	uint8_t want[16384];
	struct ibv_wc wc;
	uint32_t total;

	total = gather(self, lengths, n, sges, want);
	ibv_wr_start(qpx);
	start_write(self, sges, n, SIZE / 2);
	ASSERT_EQ(0, ibv_wr_complete(qpx));
	ASSERT_EQ(0, vt_wait(&self->pair.end[0], &wc, VT_TIMEOUT_MS));
	ASSERT_EQ(0, wc.status);
	memcpy(self->there.shadow + SIZE / 2, want, total);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(list, different_lengths, 60)
{
	static const uint32_t lengths[][MAX_SGE] = {
		{ 100, 100, 100, 100 },
		{ 300, 20, 7, 1 },
		{ 20, 3000, 7, 900 },
		{ 1, 5000, 4097, 2 },
		{ 0, 64, 0, 64 },
		{ 64, 0, 0, 0 },
		{ 0, 0, 0, 0 },
	};
	size_t i;
	int n;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (n = 1; n <= MAX_SGE; n++)
			write_list(_metadata, self, lengths[i], n);
}

/* Three requests in each ibv_wr_complete(), and enough rounds to wrap the queue. */
TEST_F_TIMEOUT(list, batches, 60)
{
	static const uint32_t lengths[MAX_SGE] = { 20, 3000, 7, 900 };
	struct ibv_qp_ex *qpx = self->pair.end[0].qpx;
	struct ibv_sge sges[MAX_SGE];
	uint8_t want[16384];
	struct ibv_wc wc;
	uint32_t total;
	int round, i;

	for (round = 0; round < 40; round++) {
		vt_buf_fill(&self->here, round);
		ibv_wr_start(qpx);
		for (i = 0; i < 3; i++) {
			total = gather(self, lengths + i, 2, sges, want);
			start_write(self, sges, 2, SIZE / 2 + i * 8192);
			memcpy(self->there.shadow + SIZE / 2 + i * 8192, want,
			       total);
		}
		ASSERT_EQ(0, ibv_wr_complete(qpx));
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, vt_wait(&self->pair.end[0], &wc,
					     VT_TIMEOUT_MS));
			ASSERT_EQ(0, wc.status);
		}
		ASSERT_EQ(0, vt_buf_check_all(&self->there));
	}
}

/* More SGEs than the QP supports: an error, and the queue is unchanged. */
TEST_F_TIMEOUT(list, too_many, 60)
{
	static const uint32_t lengths[MAX_SGE] = { 1, 2, 3, 4 };
	struct ibv_qp_ex *qpx = self->pair.end[0].qpx;
	struct ibv_sge sges[100];
	int i;

	for (i = 0; i < 100; i++)
		sges[i] = vt_sge(&self->here, i * 64, i + 1);
	ibv_wr_start(qpx);
	start_write(self, sges, 40, SIZE / 2);
	EXPECT_NE(0, ibv_wr_complete(qpx));
	ibv_wr_start(qpx);
	start_write(self, sges, 100, SIZE / 2);
	EXPECT_NE(0, ibv_wr_complete(qpx));
	write_list(_metadata, self, lengths, MAX_SGE);
}

TEST_HARNESS_MAIN
