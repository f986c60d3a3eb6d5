// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over dma-bufs of all exporters. The shadows have the expected bytes; see
 * buf.h.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/test_dmabuf.h"

#define SIZE (3 * 1024 * 1024)

/* Return: true if an engine copies the bytes after a move. */
static bool has_engine(const struct vt_mem_kind *kind)
{
	return kind == &vt_mem_engine || kind == &vt_mem_engine_eager ||
	       kind == &vt_mem_engine_fixed;
}

static bool is_test_exporter(const struct vt_mem_kind *kind)
{
	return kind == &vt_mem_moving || kind == &vt_mem_fixed ||
	       kind == &vt_mem_iomem || has_engine(kind);
}

FIXTURE(dmabuf)
{
	VT_LINK;
};

FIXTURE_VARIANT(dmabuf)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(dmabuf, udmabuf) { .kind = &vt_mem_udmabuf };
FIXTURE_VARIANT_ADD(dmabuf, heap) { .kind = &vt_mem_heap };
FIXTURE_VARIANT_ADD(dmabuf, vgem) { .kind = &vt_mem_vgem };
FIXTURE_VARIANT_ADD(dmabuf, moving) { .kind = &vt_mem_moving };
FIXTURE_VARIANT_ADD(dmabuf, fixed) { .kind = &vt_mem_fixed };
FIXTURE_VARIANT_ADD(dmabuf, iomem) { .kind = &vt_mem_iomem };
FIXTURE_VARIANT_ADD(dmabuf, engine) { .kind = &vt_mem_engine };
FIXTURE_VARIANT_ADD(dmabuf, engine_eager) { .kind = &vt_mem_engine_eager };
FIXTURE_VARIANT_ADD(dmabuf, engine_fixed) { .kind = &vt_mem_engine_fixed };
FIXTURE_VARIANT_ADD(dmabuf, vram) { .kind = &vt_mem_vram_dmabuf };
FIXTURE_VARIANT_ADD(dmabuf, vram_range) { .kind = &vt_mem_vram_range };
FIXTURE_VARIANT_ADD(dmabuf, cmb_range) { .kind = &vt_mem_cmb_range };
FIXTURE_VARIANT_ADD(dmabuf, peerdirect_range) {
	.kind = &vt_mem_peerdirect_range
};

FIXTURE_SETUP(dmabuf)
{
	struct vt_pair_opts opts = { .timeout = 18 };
	int ret = vt_mem_prepare(variant->kind);

	if (ret == -ENODEV)
		SKIP(return, "this kernel has no such exporter");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE, 0, &opts));
}

FIXTURE_TEARDOWN(dmabuf)
{
	struct peer_test_dmabuf_stats stats = { 0 };
	int dmabuf = dup(self->there.mem.dmabuf);
	int fd = dup(self->there.mem.fd);
	struct vt_mem mem = { .fd = fd, .dmabuf = dmabuf };

	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	if (is_test_exporter(variant->kind)) {
		EXPECT_EQ(0, vt_test_dmabuf_stats(&mem, &stats));
		EXPECT_EQ(0, stats.attached);
		EXPECT_EQ(0, stats.mapped);
		EXPECT_EQ(0, stats.accesses);
		EXPECT_EQ(0, stats.wrong);
	}
	close(dmabuf);
	close(fd);
}

typedef FIXTURE_DATA(dmabuf) dmabuf_t;

/* ---- operations ---- */

struct piece {
	uint64_t from, to;
	uint32_t length;
};

static const struct piece pieces[] = {
	{ 0, 0, 1 },
	{ 4095, 8191, 2 },		/* across a page boundary */
	{ 7, 4096, 4096 },
	{ 100, 2 * 1024 * 1024 - 3000, 9000 },
	{ SIZE - 5, SIZE - 5, 5 },	/* the last bytes */
	{ 12345, 54321, 300000 },
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

static int put(dmabuf_t *self, vt_copy_fn copy, const struct piece *piece)
{
	return copy(&self->pair, &self->there, piece->to, &self->here,
		    piece->from, piece->length);
}

static int get(dmabuf_t *self, vt_copy_fn copy, const struct piece *piece)
{
	return copy(&self->pair, &self->here, piece->to, &self->there,
		    piece->from, piece->length);
}

/* Copies each piece to the buffer, then each piece from it. */
static void run(struct __test_metadata *_metadata, dmabuf_t *self,
		vt_copy_fn copy)
{
	size_t i;

	for (i = 0; i < PIECES; i++) {
		ASSERT_EQ(0, put(self, copy, &pieces[i]));
		ASSERT_EQ(0, vt_buf_check(&self->there, pieces[i].to,
					  pieces[i].length));
	}
	vt_buf_fill(&self->there, 3);
	for (i = 0; i < PIECES; i++) {
		ASSERT_EQ(0, get(self, copy, &pieces[i]));
		ASSERT_EQ(0, vt_buf_check(&self->here, pieces[i].to,
					  pieces[i].length));
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(dmabuf, write, 120)
{
	run(_metadata, self, vt_copy_by_write);
}

TEST_F_TIMEOUT(dmabuf, read, 120)
{
	run(_metadata, self, vt_copy_by_read);
}

TEST_F_TIMEOUT(dmabuf, send, 120)
{
	run(_metadata, self, vt_copy_by_send);
}

TEST_F_TIMEOUT(dmabuf, atomic, 60)
{
	struct ibv_sge result = vt_sge(&self->here, 64, 8);
	uint64_t word;

	memcpy(&word, self->there.shadow + 4096, 8);
	ASSERT_EQ(0, vt_fetch_add(&self->pair.end[0], &result,
				  vt_remote(&self->there, 4096), 5));
	memcpy(self->here.shadow + 64, &word, 8);
	word += 5;
	memcpy(self->there.shadow + 4096, &word, 8);
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));

	memcpy(self->here.shadow + 64, &word, 8);
	ASSERT_EQ(0, vt_cmp_swap(&self->pair.end[0], &result,
				 vt_remote(&self->there, 4096), word, 77));
	word = 77;
	memcpy(self->there.shadow + 4096, &word, 8);
	ASSERT_EQ(0, vt_atomic_write(&self->pair.end[0],
				     vt_remote(&self->there, 8192), 78));
	word = 78;
	memcpy(self->there.shadow + 8192, &word, 8);
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* The MR keeps the buffer after its descriptor is closed. */
TEST_F_TIMEOUT(dmabuf, descriptor_closed, 60)
{
	int dmabuf = self->there.mem.dmabuf;
	int copy = dup(dmabuf);

	close(dmabuf);
	EXPECT_EQ(0, put(self, vt_copy_by_write, &pieces[3]));
	ASSERT_EQ(dmabuf, dup2(copy, dmabuf));
	close(copy);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* ---- a part of the buffer ---- */

/* An odd offset and a chosen iova. Accesses beyond either end fail. */
TEST_F_TIMEOUT(dmabuf, part, 60)
{
	uint64_t offset = 3 * page_size() + 100, length = 70000;
	uint64_t iova = 0x7000000000000000 + 100;
	struct vt_remote to = { .addr = iova };
	struct ibv_sge sge = vt_sge(&self->here, 0, length);
	struct ibv_mr mr = { 0 };

	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, self->dev.pd, offset, length, iova,
				      self->there.mem.dmabuf,
				      VT_ACCESS_DMABUF));
	to.rkey = mr.rkey;
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, to));
	memcpy(self->there.shadow + offset, self->here.shadow, length);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));

	to.addr++;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, to));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	to.addr -= 2;
	sge.length = 2;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, to));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
}

/* ---- rights ---- */

TEST_F_TIMEOUT(dmabuf, rights, 60)
{
	struct ibv_pd *pd = self->dev.pd;
	int fd = self->there.mem.dmabuf;
	struct ibv_sge sge = vt_sge(&self->here, 0, 8);
	struct vt_remote at = { .addr = 0 };
	struct ibv_mr mr = { 0 };

	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, pd, 0, SIZE, 0, fd,
				      IBV_ACCESS_REMOTE_READ));
	at.rkey = mr.rkey;
	EXPECT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1, at));
	memcpy(self->here.shadow, self->there.shadow, 8);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, at));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_fetch_add(&self->pair.end[0], &sge, at, 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));

	/* Re-registration can add rights, but not IBV_ACCESS_ON_DEMAND. */
	EXPECT_EQ(-EOPNOTSUPP, vt_rereg_mr(&mr, IBV_REREG_MR_CHANGE_ACCESS,
					   NULL, IBV_ACCESS_ON_DEMAND));
	ASSERT_EQ(0, vt_rereg_mr(&mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				 VT_ACCESS_DMABUF));
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, at));
	memcpy(self->there.shadow, self->here.shadow, 8);
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
}

/* ---- wrong descriptors, ranges and flags ---- */

TEST_F(dmabuf, invalid_arguments)
{
	struct ibv_pd *pd = self->dev.pd;
	int fd = self->there.mem.dmabuf;
	struct ibv_mr mr = { 0 };
	int file;

	/* Programs use this call to detect support of dma-bufs. */
	EXPECT_EQ(-EBADF, vt_reg_dmabuf_mr(&mr, pd, 0, 0, 0, -1, 0));
	EXPECT_EQ(-EBADF, vt_reg_dmabuf_mr(&mr, pd, 0, 4096, 0, -1, 0));
	file = memfd_create("no dma-buf", MFD_CLOEXEC);
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 0, 4096, 0, file, 0));
	close(file);

	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 0, 0, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 0, SIZE + 1, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, SIZE, 1, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 4096, -1ULL, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, -4096ULL, 8192, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 1, 1, 0, fd, 0));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 0, SIZE, 0, fd,
					    IBV_ACCESS_ON_DEMAND));
	EXPECT_EQ(-EINVAL, vt_reg_dmabuf_mr(&mr, pd, 0, SIZE, 0, fd,
					    IBV_ACCESS_REMOTE_WRITE));
}

/* ---- dma-bufs that move ---- */

static bool moves(const struct vt_mem_kind *kind)
{
	return vt_mem_base(kind)->move;
}

/* The buffer moves before each piece. It is not mapped until the next access. */
TEST_F_TIMEOUT(dmabuf, moved, 120)
{
	struct peer_test_dmabuf_stats stats = { 0 };
	struct vt_mem *mem = &self->there.mem;
	size_t i;

	if (!moves(variant->kind))
		DOES_NOT_APPLY(return, "this buffer does not move");
	for (i = 0; i < PIECES; i++) {
		ASSERT_EQ(0, vt_mem_move(mem, i % 2));
		if (is_test_exporter(variant->kind)) {
			ASSERT_EQ(0, vt_test_dmabuf_stats(mem, &stats));
			EXPECT_EQ(1, stats.attached);
			EXPECT_EQ(0, stats.mapped);
		}
		ASSERT_EQ(0, put(self, vt_copy_by_write, &pieces[i]));
		ASSERT_EQ(0, vt_buf_check_all(&self->there));
		ASSERT_EQ(0, vt_mem_move(mem, i % 2 == 0));
		ASSERT_EQ(0, get(self, vt_copy_by_read, &pieces[i]));
		ASSERT_EQ(0, vt_buf_check_all(&self->here));
	}
	if (is_test_exporter(variant->kind)) {
		ASSERT_EQ(0, vt_test_dmabuf_stats(mem, &stats));
		EXPECT_EQ(2 * PIECES + 1, stats.maps);
	}
}

struct mover {
	pthread_t thread;
	struct vt_mem *mem;
	useconds_t pause;
	atomic_bool stop;
	unsigned int moves;
	int ret;
};

static void *mover_run(void *arg)
{
	struct mover *mover = arg;

	while (!mover->stop && !mover->ret) {
		mover->ret = vt_mem_move(mover->mem, mover->moves++ % 2);
		usleep(mover->pause);
	}
	return NULL;
}

TEST_F_TIMEOUT(dmabuf, moved_under_operations, 240)
{
	struct mover mover = {
		.mem = &self->there.mem,
		/* Time for several copies, so that the bytes arrive between moves. */
		.pause = has_engine(variant->kind) ? 100000 : 1000,
	};
	int rounds = vt_slow_kernel() ? 3 : has_engine(variant->kind) ? 10 : 5;

	if (!moves(variant->kind))
		DOES_NOT_APPLY(return, "this buffer does not move");
	ASSERT_EQ(0, pthread_create(&mover.thread, NULL, mover_run, &mover));
	while (rounds-- && !_metadata->exit_code) {
		run(_metadata, self, vt_copy_by_write);
		run(_metadata, self, vt_copy_by_read);
		run(_metadata, self, vt_copy_by_send);
	}
	mover.stop = true;
	pthread_join(mover.thread, NULL);
	EXPECT_EQ(0, mover.ret);
	EXPECT_LT(10, mover.moves);
}

/* After revocation each access fails with a protection error. */
TEST_F_TIMEOUT(dmabuf, revoked, 60)
{
	const struct vt_mem_kind *base = vt_mem_base(variant->kind);

	if (!base->revoke || base->claimable_after_revoke)
		DOES_NOT_APPLY(return, "this buffer cannot be revoked permanently");
	ASSERT_EQ(0, put(self, vt_copy_by_write, &pieces[0]));
	ASSERT_EQ(0, vt_mem_revoke(&self->there.mem));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, vt_copy_by_write, &pieces[0]));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  get(self, vt_copy_by_read, &pieces[3]));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_LOC_PROT_ERR,
		  put(self, vt_copy_by_read, &pieces[0]));
}

/* Returns the device node, or -errno. @create->fd: the dma-buf. Both are to be closed. */
static int create_dmabuf(struct peer_test_dmabuf_create *create)
{
	int ret = vt_mem_prepare(&vt_mem_moving);
	int node;

	if (ret)
		return ret;
	node = open("/dev/peer_test_dmabuf", O_RDWR | O_CLOEXEC);
	if (node < 0)
		return -errno;
	if (!ioctl(node, PEER_TEST_DMABUF_CREATE, create))
		return node;
	ret = -errno;
	close(node);
	return ret;
}

/* ---- a read-only descriptor ---- */

TEST(read_only)
{
	struct peer_test_dmabuf_create create = {
		.length = SIZE,
		.flags = PEER_TEST_DMABUF_READ_ONLY,
	};
	struct ibv_mr mr = { 0 };
	struct vt_dev dev;
	int node;

	ASSERT_LE(0, node = create_dmabuf(&create));
	ASSERT_EQ(0, vt_dev_open(&dev));
	EXPECT_EQ(-EACCES, vt_reg_dmabuf_mr(&mr, dev.pd, 0, SIZE, 0, create.fd,
					    IBV_ACCESS_LOCAL_WRITE));
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, dev.pd, 0, SIZE, 0, create.fd,
				      IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(-EACCES, vt_rereg_mr(&mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				       VT_ACCESS_DMABUF));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
	vt_dev_close(&dev);
	close(create.fd);
	close(node);
}

/* ---- a dma-buf that the CPU cannot map ---- */

TEST(no_vmap)
{
	struct peer_test_dmabuf_create create = {
		.length = SIZE,
		.flags = PEER_TEST_DMABUF_NO_VMAP,
	};
	struct ibv_mr mr = { 0 };
	struct vt_dev dev;
	int node;

	ASSERT_LE(0, node = create_dmabuf(&create));
	ASSERT_EQ(0, vt_dev_open(&dev));
	EXPECT_EQ(-EOPNOTSUPP, vt_reg_dmabuf_mr(&mr, dev.pd, 0, SIZE, 0,
						create.fd, 0));
	vt_dev_close(&dev);
	close(create.fd);
	close(node);
}

/* ---- BOs of peer_vram ---- */

FIXTURE(bo)
{
	struct vt_dev dev;
	struct vt_mem mem;
};

FIXTURE_SETUP(bo)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram_dmabuf, SIZE, 0));
}

FIXTURE_TEARDOWN(bo)
{
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram_dmabuf));
}

/* The dma-buf keeps the BO after its last handle is closed. */
TEST_F(bo, outlives_its_handle)
{
	const size_t page = page_size();
	struct vt_vram_info info;
	uint64_t objects;
	uint8_t *again;

	ASSERT_EQ(0, vt_vram_info(&info));
	objects = info.objects;
	memset(self->mem.addr, 0x5a, SIZE);
	munmap(self->mem.addr, SIZE);
	close(self->mem.fd);
	self->mem.fd = -1;
	again = mmap(NULL, page, PROT_READ, MAP_SHARED, self->mem.dmabuf,
		     SIZE - page);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_EQ(0x5a, again[page - 1]);
	munmap(again, page);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * page, PROT_READ, MAP_SHARED,
				   self->mem.dmabuf, SIZE - page));
	close(self->mem.dmabuf);
	self->mem.addr = NULL;
	ASSERT_EQ(0, vt_vram_info(&info));
	EXPECT_EQ(objects - 1, info.objects);
}

/* The mapping follows a move of the BO. */
TEST_F(bo, mapping_follows_move)
{
	uint8_t have[16];

	memset(self->mem.addr, 1, 16);
	ASSERT_EQ(0, vt_mem_move(&self->mem, false));
	EXPECT_EQ(1, self->mem.addr[15]);
	memset(self->mem.addr, 2, 16);
	ASSERT_EQ(0, vt_mem_move(&self->mem, true));
	ASSERT_EQ(0, vt_mem_read(&self->mem, 0, have, sizeof(have)));
	EXPECT_EQ(0, memcmp(have, self->mem.addr, sizeof(have)));
	EXPECT_EQ(2, have[0]);
}

TEST_F(bo, not_exported)
{
	struct peer_vram_set_flags flags = {
		.size = sizeof(flags),
		.handle = self->mem.handle,
		.flags = PEER_VRAM_CREATE_NO_EXPORT,
	};
	struct ibv_mr mr = { 0 };

	ASSERT_EQ(0, ioctl(self->mem.fd, PEER_VRAM_IOC_SET_FLAGS, &flags));
	EXPECT_EQ(-EACCES, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0,
					    self->mem.dmabuf, 0));
}

TEST_F(bo, destroyed)
{
	struct ibv_mr mr = { 0 };

	ASSERT_EQ(0, vt_mem_destroy(&self->mem));
	EXPECT_EQ(-ENODEV, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0,
					    self->mem.dmabuf, 0));
}

TEST_HARNESS_MAIN
