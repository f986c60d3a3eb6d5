// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A broken device, which uses stale DMA addresses. An IOMMU stops it, and the kernel
 * logs a DMA fault. Without an IOMMU it reads and overwrites other memory, which the
 * exporter of the tests detects. This shows that the tests would detect a bug.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <glob.h>

#include "../page_size.h"
#include "engine.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/test_dmabuf.h"

#define PAGE page_size()
#define SIZE (2 * PAGE)
#define LENGTH 64
#define OFFSET (PAGE + 8)

static bool has_iommu(void)
{
	static int known = -1;
	glob_t units;

	/* Units of any kind: dmar0, smmu3.0x0000000009050000. */
	if (known < 0) {
		known = !glob("/sys/class/iommu/*", 0, NULL, &units);
		if (known)
			globfree(&units);
	}
	return known;
}

/* What the kernel logs about a stale access; event 0x10 of an SMMU: no translation. */
#define SMMU_FAULT "event 0x10 received"

static bool has_smmu(void)
{
	return has_iommu() && access("/sys/class/iommu/dmar0", F_OK);
}

static const char *fault_text(bool write)
{
	return has_smmu() ? SMMU_FAULT : write ? "DMAR: [DMA Write" : "DMAR: [DMA Read";
}

/* Opens the kernel log at its end. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Waits for a line that contains @text. Return: true if there was one. */
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
	int (*invalidate)(struct vt_mem *mem);
};

static int move_away(struct vt_mem *mem)
{
	return vt_mem_move(mem, false);
}

FIXTURE_VARIANT_ADD(stale, moved) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_DYNAMIC, .invalidate = move_away,
};
FIXTURE_VARIANT_ADD(stale, revoked) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_REVOCABLE,
	.invalidate = vt_mem_revoke,
};
/* peer_vram does not check its old memory. */
FIXTURE_VARIANT_ADD(stale, vram_moved) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC, .invalidate = move_away,
};
FIXTURE_VARIANT_ADD(stale, vram_destroyed) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_REVOCABLE,
	.invalidate = vt_mem_destroy,
};

FIXTURE_SETUP(stale)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
	self->log = log_open();
	ASSERT_LE(0, self->log);
	/* Valid accesses cause no DMA fault. */
	ASSERT_EQ(0, en_buf_write(&self->b, OFFSET, LENGTH, 2));
	ASSERT_EQ(0, en_buf_read(&self->b, OFFSET, LENGTH));
	ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
	ASSERT_FALSE(log_has(self->log, has_smmu() ? SMMU_FAULT : "DMAR: [DMA", 0));
}

FIXTURE_TEARDOWN(stale)
{
	close(self->log);
	EXPECT_EQ(0, en_buf_close(&self->b));
}

/* Return: true if the exporter checks memory after it has moved away. */
static bool exporter_checks(struct en_buf *b)
{
	return b->buf.mem.kind == &vt_mem_dma;
}

/* Return: errors that the exporter counted: 1 if its old memory was written to. */
static int exporter_errors(struct en_buf *b)
{
	struct peer_test_dmabuf_stats stats;
	int ret = vt_test_dmabuf_stats(&b->buf.mem, &stats);

	return ret ? ret : (int)stats.wrong;
}

static int stale_access(struct en_buf *b, void *data, uint32_t flags)
{
	return en_access(b->engine, b->device, b->mr.rkey, b->buf.iova + OFFSET,
			 data, LENGTH, flags | EDU_RDMA_STALE);
}

/*
 * Repeats the access until the kernel logs a DMA fault. The kernel limits the rate
 * of these messages.
 */
static bool stale_access_until_logged(struct en_buf *b, void *data,
				      uint32_t flags, int log,
				      const char *text)
{
	int64_t until = vt_now_ms() + 60000;

	while (vt_now_ms() < until) {
		if (stale_access(b, data, flags))
			return false;
		if (log_has(log, text, 1000))
			return true;
	}
	return false;
}

TEST_F_TIMEOUT(stale, stale_write, 120)
{
	uint8_t data[LENGTH];

	if (!has_iommu() && !exporter_checks(&self->b))
		SKIP(return, "no IOMMU, and the exporter does not check");
	vt_pattern_fill(data, 9, 0, LENGTH);
	ASSERT_EQ(0, variant->invalidate(&self->b.buf.mem));
	/* The engine gets no error. */
	ASSERT_EQ(0, stale_access(&self->b, data, EDU_RDMA_WRITE));
	if (has_iommu())
		EXPECT_TRUE(stale_access_until_logged(&self->b, data,
						      EDU_RDMA_WRITE, self->log,
						      fault_text(true)));
	if (exporter_checks(&self->b))
		EXPECT_EQ(!has_iommu(), exporter_errors(&self->b));
	if (variant->invalidate == move_away)
		EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(stale, stale_read, 120)
{
	uint8_t data[LENGTH], poison[LENGTH];

	if (!has_iommu() && !exporter_checks(&self->b))
		SKIP(return, "no IOMMU, and the old content is unknown");
	memset(poison, 0xd5, LENGTH);
	ASSERT_EQ(0, variant->invalidate(&self->b.buf.mem));
	ASSERT_EQ(0, stale_access(&self->b, data, 0));
	/* With an IOMMU, the present content cannot be read. */
	if (has_iommu()) {
		EXPECT_NE(0, memcmp(data, poison, LENGTH));
		EXPECT_TRUE(stale_access_until_logged(&self->b, data, 0, self->log,
						      fault_text(false)));
	} else {
		EXPECT_EQ(0, memcmp(data, poison, LENGTH));
	}
}

/* The engine works after a stale access. */
TEST_F_TIMEOUT(stale, works_afterwards, 60)
{
	uint8_t data[LENGTH];

	ASSERT_EQ(0, variant->invalidate(&self->b.buf.mem));
	ASSERT_EQ(0, stale_access(&self->b, data, 0));
	if (variant->invalidate != move_away) {
		EXPECT_EQ(-ESTALE, en_buf_read(&self->b, OFFSET, LENGTH));
		return;
	}
	EXPECT_EQ(0, en_buf_read(&self->b, OFFSET, LENGTH));
	EXPECT_EQ(0, en_buf_write(&self->b, OFFSET, LENGTH, 3));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_HARNESS_MAIN
