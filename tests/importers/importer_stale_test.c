// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A broken device: its engine goes to where memory was. With an IOMMU it is
 * stopped, and the kernel's log says so. Without one it does damage, which the
 * owner of the memory finds; that is how the tests would see it.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "engine.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/test_dmabuf.h"

#define PAGE 4096
#define SIZE (2 * PAGE)
#define LENGTH 64
#define AT (PAGE + 8)

static bool has_iommu(void)
{
	return !access("/sys/class/iommu/dmar0", F_OK);
}

/* The kernel's log from here on. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Does a line with this text come? */
static bool log_has(int log, const char *text, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;
	char line[1024];
	ssize_t n;

	do {
		n = read(log, line, sizeof(line) - 1);
		if (n > 0) {
			line[n] = 0;
			if (strstr(line, text))
				return true;
		} else if (timeout_ms) {
			usleep(10000);
		}
	} while (n > 0 || vt_now_ms() < until);
	return false;
}

FIXTURE(stale)
{
	struct en_buf b;
	int log;
};

FIXTURE_VARIANT(stale)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	int (*leave)(struct vt_mem *mem);
};

static int move(struct vt_mem *mem)
{
	return vt_mem_move(mem, false);
}

FIXTURE_VARIANT_ADD(stale, moved) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_DYNAMIC, .leave = move,
};
FIXTURE_VARIANT_ADD(stale, revoked) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_REVOCABLE,
	.leave = vt_mem_revoke,
};
/* By way of the core's dma-buf; its owner does not look for damage. */
FIXTURE_VARIANT_ADD(stale, vram_moved) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC, .leave = move,
};
FIXTURE_VARIANT_ADD(stale, vram_destroyed) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_REVOCABLE,
	.leave = vt_mem_destroy,
};

FIXTURE_SETUP(stale)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
	self->log = log_open();
	ASSERT_LE(0, self->log);
	/* As long as it is allowed nobody complains. */
	ASSERT_EQ(0, en_put(&self->b, AT, LENGTH, 2));
	ASSERT_EQ(0, en_get(&self->b, AT, LENGTH));
	ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
	ASSERT_FALSE(log_has(self->log, "DMAR: [DMA", 0));
}

FIXTURE_TEARDOWN(stale)
{
	close(self->log);
	EXPECT_EQ(0, en_buf_close(&self->b));
}

/* Only such an owner looks at what comes to where memory was. */
static bool owner_looks(struct en_buf *b)
{
	return b->buf.mem.kind == &vt_mem_dma;
}

/* Bytes that were written to where it was. */
static int owner_found(struct en_buf *b)
{
	struct peer_test_dmabuf_stats stats;
	int ret = vt_test_dmabuf_stats(&b->buf.mem, &stats);

	return ret ? ret : (int)stats.wrong;
}

static int go(struct en_buf *b, void *data, uint32_t flags)
{
	return en_access(b->engine, b->device, b->mr.rkey, b->buf.iova + AT,
			 data, LENGTH, flags | EDU_RDMA_STALE);
}

/*
 * The same until the log tells of it. The kernel tells of few faults in some
 * seconds.
 */
static bool go_until(struct en_buf *b, void *data, uint32_t flags, int log,
		     const char *text)
{
	int64_t until = vt_now_ms() + 60000;

	while (vt_now_ms() < until) {
		if (go(b, data, flags))
			return false;
		if (log_has(log, text, 1000))
			return true;
	}
	return false;
}

TEST_F_TIMEOUT(stale, written, 120)
{
	uint8_t data[LENGTH];

	if (!has_iommu() && !owner_looks(&self->b))
		SKIP(return, "nobody would see the damage");
	vt_pattern_fill(data, 9, 0, LENGTH);
	ASSERT_EQ(0, variant->leave(&self->b.buf.mem));
	/* The engine does not learn of it. */
	ASSERT_EQ(0, go(&self->b, data, EDU_RDMA_WRITE));
	if (has_iommu())
		EXPECT_TRUE(go_until(&self->b, data, EDU_RDMA_WRITE, self->log,
				     "DMAR: [DMA Write"));
	if (owner_looks(&self->b))
		EXPECT_EQ(!has_iommu(), owner_found(&self->b));
	if (variant->leave == move)
		EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(stale, read, 120)
{
	uint8_t data[LENGTH], poison[LENGTH];

	if (!has_iommu() && !owner_looks(&self->b))
		SKIP(return, "nobody knows what is there");
	memset(poison, 0xd5, LENGTH);
	ASSERT_EQ(0, variant->leave(&self->b.buf.mem));
	ASSERT_EQ(0, go(&self->b, data, 0));
	/* Of what is there now nothing comes out. */
	if (has_iommu()) {
		EXPECT_NE(0, memcmp(data, poison, LENGTH));
		EXPECT_TRUE(go_until(&self->b, data, 0, self->log,
				     "DMAR: [DMA Read"));
	} else {
		EXPECT_EQ(0, memcmp(data, poison, LENGTH));
	}
}

/* After it is found out the engine works on. */
TEST_F_TIMEOUT(stale, and_after, 60)
{
	uint8_t data[LENGTH];

	ASSERT_EQ(0, variant->leave(&self->b.buf.mem));
	ASSERT_EQ(0, go(&self->b, data, 0));
	if (variant->leave != move) {
		EXPECT_EQ(-ESTALE, en_get(&self->b, AT, LENGTH));
		return;
	}
	EXPECT_EQ(0, en_get(&self->b, AT, LENGTH));
	EXPECT_EQ(0, en_put(&self->b, AT, LENGTH, 3));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_HARNESS_MAIN
