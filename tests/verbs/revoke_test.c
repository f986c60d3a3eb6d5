// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Revocation of a pinned MR: by the exporter, by munmap(), by unbinding the device.
 * After that every access completes with a protection error, the keys stay allocated
 * until deregistration, deregistration works, and the exporter does not wait for the
 * user of the MR.
 *
 * peerdirect_test.c tests unloading of a PeerDirect client.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/driver.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define SIZE (1024 * 1024)

/* Time limit of a call, on a busy emulated machine. */
#define BOUND_MS 15000

FIXTURE(revoke)
{
	struct vt_dev dev;
	struct vt_buf buf;
	struct vt_counters before;
	int mrs;
};

FIXTURE_VARIANT(revoke)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(revoke, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(revoke, vram_named) { .kind = &vt_mem_vram_named };
FIXTURE_VARIANT_ADD(revoke, cmb) { .kind = &vt_mem_cmb };

FIXTURE_SETUP(revoke)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	self->mrs = vt_resource_count("mr");
	ASSERT_EQ(0, vt_counters_read(variant->kind, &self->before));
	ASSERT_EQ(0, vt_buf_open(&self->buf, &self->dev, variant->kind, SIZE,
				 NULL));
	vt_buf_fill(&self->buf, 1);
}

FIXTURE_TEARDOWN(revoke)
{
	EXPECT_EQ(0, vt_buf_close(&self->buf));
	EXPECT_EQ(self->mrs, vt_resource_count("mr"));
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static void expect_revoked(struct __test_metadata *_metadata,
			   FIXTURE_DATA(revoke) *self,
			   const struct vt_mem_kind *kind)
{
	struct vt_counters now;

	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, self->buf.mr, 300));
	/* The exporter has its memory back before the MR is deregistered. */
	EXPECT_EQ(0, vt_counters_balanced(kind));
	EXPECT_EQ(0, vt_counters_read(kind, &now));
	EXPECT_EQ(self->before.alloc_mrs + 1, now.alloc_mrs);
}

static void dereg(struct __test_metadata *_metadata,
		  FIXTURE_DATA(revoke) *self)
{
	int64_t start = vt_now_ms();

	EXPECT_EQ(0, ibv_dereg_mr(self->buf.mr));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	self->buf.mr = NULL;
}

TEST_F_TIMEOUT(revoke, destroy, 60)
{
	int64_t start = vt_now_ms();

	ASSERT_EQ(0, vt_mem_destroy(&self->buf.mem));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	expect_revoked(_metadata, self, variant->kind);
	dereg(_metadata, self);
}

TEST_F_TIMEOUT(revoke, munmap_whole, 60)
{
	uint8_t *addr = self->buf.mem.addr;

	ASSERT_EQ(0, munmap(addr, SIZE));
	/* The MR does not cover memory that is mapped there later. */
	ASSERT_EQ(addr, mmap(addr, SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	expect_revoked(_metadata, self, variant->kind);
	EXPECT_EQ(0, addr[0]);
	EXPECT_EQ(0, addr[SIZE - 1]);
	dereg(_metadata, self);
}

TEST_F_TIMEOUT(revoke, munmap_part, 60)
{
	size_t page = page_size();

	ASSERT_EQ(0, munmap(self->buf.mem.addr + SIZE - page, page));
	expect_revoked(_metadata, self, variant->kind);
	dereg(_metadata, self);
}

TEST_F_TIMEOUT(revoke, munmap_first_part, 60)
{
	ASSERT_EQ(0, munmap(self->buf.mem.addr, page_size()));
	expect_revoked(_metadata, self, variant->kind);
	dereg(_metadata, self);
}

/* Return: the status of a WRITE into the buffer. */
static int write_once(struct vt_dev *dev, struct vt_buf *to)
{
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_sge sge;
	int ret;

	ret = vt_pair_open(&pair, dev, NULL);
	if (ret)
		return ret;
	ret = vt_buf_open(&host, dev, &vt_mem_host, 4096, NULL);
	if (!ret) {
		sge = vt_sge(&host, 0, 100);
		ret = vt_rdma_write(&pair.end[0], &sge, 1, vt_remote(to, 1));
		vt_buf_close(&host);
	}
	vt_pair_close(&pair);
	return ret;
}

/* The MR is revoked; the memory keeps its contents. */
TEST_F_TIMEOUT(revoke, revoke_ioctl, 60)
{
	struct vt_buf again = self->buf;

	ASSERT_EQ(0, vt_mem_revoke(&self->buf.mem));
	expect_revoked(_metadata, self, variant->kind);
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	/* A second call has nothing to revoke. */
	EXPECT_EQ(0, vt_mem_revoke(&self->buf.mem));

	again.mr = ibv_reg_mr(self->dev.pd, again.mem.addr, SIZE,
			      VT_ACCESS_ALL);
	ASSERT_NE(NULL, again.mr);
	EXPECT_EQ(0, write_once(&self->dev, &again));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, ibv_dereg_mr(again.mr));
	dereg(_metadata, self);
}

/* Destruction revokes all MRs of the memory, wherever in it they are. */
TEST_F_TIMEOUT(revoke, many_regions, 120)
{
	enum { REGIONS = 8 };
	struct vt_buf part[REGIONS];
	int i;

	for (i = 0; i < REGIONS; i++) {
		part[i] = self->buf;
		part[i].mr = ibv_reg_mr(self->dev.pd,
					self->buf.mem.addr + 4104 * i, 20000,
					VT_ACCESS_ALL);
		ASSERT_NE(NULL, part[i].mr);
		part[i].iova = self->buf.iova + 4104 * i;
	}
	ASSERT_EQ(0, vt_mem_destroy(&self->buf.mem));
	for (i = 0; i < REGIONS; i += 3)
		EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &part[i]));
	for (i = 0; i < REGIONS; i++)
		EXPECT_EQ(0, ibv_dereg_mr(part[i].mr));
	dereg(_metadata, self);
}

/* Revocation of an MR also revokes its memory window. */
TEST_F_TIMEOUT(revoke, memory_window, 60)
{
	struct ibv_mw_bind_info info = {
		.mr = self->buf.mr,
		.addr = self->buf.iova,
		.length = SIZE,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};
	struct vt_buf host;
	struct vt_pair pair;
	struct ibv_sge sge;
	struct ibv_mw *mw;

	ASSERT_EQ(0, vt_pair_open(&pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, 4096, NULL));
	sge = vt_sge(&host, 0, 64);
	mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);
	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, vt_bind_mw_type1(&pair.end[0], mw, &info));
	struct vt_remote to = { self->buf.iova, mw->rkey };

	EXPECT_EQ(0, vt_rdma_write(&pair.end[0], &sge, 1, to));
	ASSERT_EQ(0, vt_mem_revoke(&self->buf.mem));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&pair.end[0], &sge, 1, to));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
	dereg(_metadata, self);
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_pair_close(&pair);
}

/*
 * Revocation during WRITEs. After the call has returned, nothing accesses the memory:
 * bytes that the exporter writes then do not change.
 */
TEST_F_TIMEOUT(revoke, under_traffic, 60)
{
	/* More than can complete before the revocation. */
	enum { DEPTH = 128, LENGTH = 256 * 1024 };
	struct vt_pair_opts opts = { .depth = DEPTH, .mtu = IBV_MTU_4096 };
	struct ibv_sge sge;
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { self->buf.iova, self->buf.mr->rkey },
	};
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_wc wc;
	int64_t start;
	int i;

	ASSERT_EQ(0, vt_pair_open(&pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, LENGTH,
				 NULL));
	vt_buf_fill(&host, 2);
	sge = vt_sge(&host, 0, LENGTH);
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, vt_post_send(&pair.end[0], &wr));
	ASSERT_EQ(0, vt_wait(&pair.end[0], &wc, VT_TIMEOUT_MS));
	ASSERT_EQ(IBV_WC_SUCCESS, wc.status);

	start = vt_now_ms();
	ASSERT_EQ(0, vt_mem_revoke(&self->buf.mem));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->buf, 3));

	for (i = 1; i < DEPTH && wc.status == IBV_WC_SUCCESS; i++)
		ASSERT_EQ(0, vt_wait(&pair.end[0], &wc, BOUND_MS));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, wc.status);
	for (; i < DEPTH; i++) {
		ASSERT_EQ(0, vt_wait(&pair.end[0], &wc, BOUND_MS));
		EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
	}
	usleep(200000);
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_pair_close(&pair);
	dereg(_metadata, self);
}

/* The driver is unbound from the device, and bound again. */
TEST_F_TIMEOUT(revoke, unbind, 60)
{
	int64_t start = vt_now_ms();
	struct vt_driver device;
	struct vt_mem fresh;
	int ret, tries;

	ASSERT_EQ(0, vt_driver_find(&device, variant->kind->node));
	ASSERT_EQ(0, vt_driver_write(&device, "unbind"));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, self->buf.mr, 300));
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->buf.mem.addr, SIZE, 0));
	dereg(_metadata, self);

	EXPECT_EQ(0, vt_driver_write(&device, "bind"));
	/* The node may appear with a delay. */
	for (tries = 0; tries < 50; tries++) {
		ret = vt_mem_alloc(&fresh, variant->kind, SIZE, 0);
		if (!ret)
			break;
		usleep(100000);
	}
	ASSERT_EQ(0, ret);
	vt_mem_free(&fresh);
}

/* An MR does not keep the module of the exporter, but a mapping does. */
TEST_F_TIMEOUT(revoke, unload_exporter, 60)
{
	int64_t start;

	/* The MR stays. */
	vt_mem_free(&self->buf.mem);
	start = vt_now_ms();
	ASSERT_EQ(0, vt_rmmod(variant->kind->module));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, self->buf.mr, 300));
	dereg(_metadata, self);
	EXPECT_EQ(0, vt_mem_prepare(variant->kind));
}

/* The errors that the tests above expect are those of host memory after deregistration. */
TEST(host_key_after_dereg)
{
	struct vt_dev dev;
	struct vt_buf buf;
	struct ibv_mr mr;

	ASSERT_EQ(0, vt_dev_open(&dev));
	ASSERT_EQ(0, vt_buf_open(&buf, &dev, &vt_mem_host, SIZE, NULL));
	mr = *buf.mr;
	ASSERT_EQ(0, ibv_dereg_mr(buf.mr));
	buf.mr = &mr;
	EXPECT_EQ(0, vt_count_not_revoked(&dev, &buf));
	buf.mr = NULL;
	EXPECT_EQ(0, vt_buf_close(&buf));
	vt_dev_close(&dev);
}

TEST_HARNESS_MAIN
