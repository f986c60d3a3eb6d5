// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DMA importers (kernel/core/importers/dma_bridge.c) while the memory is moved
 * or destroyed. A call is held before the exporter resolves, and after that:
 *
 *   call held      event              result
 *   access         move               the stale result is not used; the access
 *                                     goes to the new location
 *                  destruction        the access and all later ones fail
 *                  munmap or a new    it may access the registered memory, never
 *                  mapping            the new one; soon all accesses fail
 *   registration   move               a dynamic importer gets a working MR; an
 *                                     importer that pins prevents the move
 *                  destruction        no MR, or a revoked MR
 *                  munmap or a new    no MR, or an MR that is revoked soon
 *                  mapping
 *                  the process is     exit does not wait; nothing is left
 *                  killed
 *
 * No event waits for the held call. The last tests let another thread use the
 * descriptor that is passed to the driver.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../importers/engine.h"
#include "../lib/chardev.h"
#include "page_size.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE page_size()

/* Waits until no access succeeds. */
static int wait_until_revoked(struct en_buf *b)
{
	int64_t until = vt_now_ms() + 20000;
	char byte;

	while (!en_access(b->engine, b->device, b->mr.rkey, b->buf.iova, &byte,
			  1, 0))
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
	return 0;
}

/* ---- an access ---- */

FIXTURE(access)
{
	struct en_buf b;
	struct attempt attempt;
};

/* @early: the device can use the result before the event */
FIXTURE_VARIANT(access)
{
	const char *point;
	bool early;
};

FIXTURE_VARIANT_ADD(access, resolve) { .point = "resolve" };
FIXTURE_VARIANT_ADD(access, resolved) { .point = "resolved" };
FIXTURE_VARIANT_ADD(access, dma_published)
{
	.point = "dma_published", .early = true,
};

static int put(void *what)
{
	return en_buf_write(what, PAGE - 100, 300, 7);
}

/* The first access after a move. */
FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, en_buf_open(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_vram, SIZE));
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	ASSERT_EQ(0, attempt_start(&self->attempt, variant->point, put,
				   &self->b));
}

FIXTURE_TEARDOWN(access)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/*
 * Moves the BO both ways: an exporter that has resolved has moved it back to
 * VRAM, one that has not resolved has not.
 */
TEST_F_TIMEOUT(access, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(access, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_TRUE(attempt_end(&self->attempt) || variant->early);
	EXPECT_EQ(0, wait_until_revoked(&self->b));
}

TEST_F_TIMEOUT(access, against_munmap, 60)
{
	ASSERT_EQ(0, race_unmap(&self->b.buf.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	attempt_end(&self->attempt);
	EXPECT_EQ(0, wait_until_revoked(&self->b));
}

/* The new mapping is not accessed. */
TEST_F_TIMEOUT(access, against_new_mapping, 60)
{
	static const char zeros[SIZE];

	ASSERT_EQ(0, race_replace(&self->b.buf.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	attempt_end(&self->attempt);
	EXPECT_EQ(0, wait_until_revoked(&self->b));
	EXPECT_EQ(0, memcmp(self->b.buf.mem.addr, zeros, SIZE));
}

/* ---- a move ---- */

FIXTURE(move)
{
	struct en_buf b;
	struct attempt move, access;
};

FIXTURE_SETUP(move)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, en_buf_open(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_vram, SIZE));
	ASSERT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 6));
}

FIXTURE_TEARDOWN(move)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

static int move_away(void *what)
{
	return vt_mem_move(&((struct en_buf *)what)->buf.mem, false);
}

/* The move is about to lock the dma-buf; the other call locks it first. */
static void against_move(struct __test_metadata *_metadata,
			 FIXTURE_DATA(move) *self, int (*other)(void *what))
{
	ASSERT_EQ(0, attempt_prepare(&self->access, other, &self->b));
	ASSERT_EQ(0, attempt_start(&self->move, "moving", move_away, &self->b));
	attempt_go(&self->access);
	usleep(500000);
	EXPECT_TRUE(hold_is_held("moving"));
	EXPECT_EQ(0, attempt_end(&self->move));
	EXPECT_EQ(0, attempt_join(&self->access));
}

TEST_F_TIMEOUT(move, against_access, 60)
{
	against_move(_metadata, self, put);
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

static int deregister(void *what)
{
	return en_buf_deregister(what);
}

TEST_F_TIMEOUT(move, against_deregistration, 60)
{
	against_move(_metadata, self, deregister);
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* ---- a registration ---- */

FIXTURE(registration)
{
	struct en_buf b;
	struct attempt attempt;
};

/* @pinned: the memory is pinned at the hold point */
FIXTURE_VARIANT(registration)
{
	enum edu_rdma_device device;
	const char *point;
	bool pinned;
};

#define REGISTRATION(_name, _device, _point, _pinned)			\
	FIXTURE_VARIANT_ADD(registration, _name##_##_point)		\
	{								\
		.device = EDU_RDMA_##_device,				\
		.point = #_point,					\
		.pinned = _pinned,					\
	}

REGISTRATION(dynamic, DYNAMIC, watched, false);
REGISTRATION(dynamic, DYNAMIC, claimed, false);
REGISTRATION(dynamic, DYNAMIC, fd_installed, false);
REGISTRATION(dynamic, DYNAMIC, resolve, false);
REGISTRATION(dynamic, DYNAMIC, resolved, false);
REGISTRATION(dynamic, DYNAMIC, dma_published, false);
REGISTRATION(revocable, REVOCABLE, watched, false);
REGISTRATION(revocable, REVOCABLE, claimed, false);
REGISTRATION(revocable, REVOCABLE, fd_installed, false);
REGISTRATION(revocable, REVOCABLE, resolve, true);
REGISTRATION(revocable, REVOCABLE, resolved, true);
REGISTRATION(revocable, REVOCABLE, dma_published, true);

static int do_register(void *what)
{
	return en_buf_register(what);
}

FIXTURE_SETUP(registration)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, en_buf_prepare(&self->b, variant->device, IM_WRITE,
				    &vt_mem_vram, SIZE));
	ASSERT_EQ(0, attempt_start(&self->attempt, variant->point, do_register,
				   &self->b));
}

FIXTURE_TEARDOWN(registration)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* After the event, registration fails or returns an MR that is revoked soon. */
static void expect_no_mr(struct __test_metadata *_metadata,
		       FIXTURE_DATA(registration) *self, const char *point)
{
	EXPECT_TRUE(hold_is_held(point));
	if (!attempt_end(&self->attempt))
		EXPECT_EQ(0, wait_until_revoked(&self->b));
}

TEST_F_TIMEOUT(registration, against_move, 60)
{
	int moved = vt_mem_move(&self->b.buf.mem, false);

	EXPECT_EQ(variant->pinned, moved != 0);
	EXPECT_TRUE(hold_is_held(variant->point));
	ASSERT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 7));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(registration, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	expect_no_mr(_metadata, self, variant->point);
}

TEST_F_TIMEOUT(registration, against_munmap, 60)
{
	ASSERT_EQ(0, race_unmap(&self->b.buf.mem));
	expect_no_mr(_metadata, self, variant->point);
}

TEST_F_TIMEOUT(registration, against_new_mapping, 60)
{
	ASSERT_EQ(0, race_replace(&self->b.buf.mem));
	expect_no_mr(_metadata, self, variant->point);
}

/* The exporter has claimed the range when the route to the device is removed. */
TEST(route_removed)
{
	struct attempt attempt;
	struct en_buf b;

	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_cmb));
	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE, &vt_mem_cmb,
				    SIZE));
	ASSERT_EQ(0, attempt_start(&attempt, "claimed", do_register, &b));
	ASSERT_EQ(0, en_set_bridges("0:0"));
	EXPECT_EQ(-EREMOTEIO, attempt_end(&attempt));
	EXPECT_EQ(0, en_buf_close(&b));
	ASSERT_EQ(0, en_set_bridges("all"));
}

/* ---- the descriptor that is passed to the driver ---- */

FIXTURE(descriptor)
{
	struct en_buf b;
	struct attempt attempt;
	int lower, fd;
};

FIXTURE_VARIANT(descriptor)
{
	enum edu_rdma_device device;
};

FIXTURE_VARIANT_ADD(descriptor, dynamic) { .device = EDU_RDMA_DYNAMIC };
FIXTURE_VARIANT_ADD(descriptor, revocable) { .device = EDU_RDMA_REVOCABLE };

/* Return: the lowest descriptor that is a dma-buf, or -ENOENT. */
static int find_dmabuf(void)
{
	char path[64], target[64];
	ssize_t n;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0 && !strncmp(target, "/dmabuf:", strlen("/dmabuf:")))
			return fd;
	}
	return -ENOENT;
}

/* Holds the registration before the driver looks at the descriptor. */
FIXTURE_SETUP(descriptor)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, en_buf_prepare(&self->b, variant->device, IM_WRITE,
				    &vt_mem_vram, SIZE));
	self->lower = dup(0);
	ASSERT_EQ(0, attempt_start(&self->attempt, "fd_installed", do_register,
				   &self->b));
	self->fd = find_dmabuf();
	ASSERT_LT(self->lower, self->fd);
}

FIXTURE_TEARDOWN(descriptor)
{
	EXPECT_EQ(-ENOENT, find_dmabuf());
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

static int reg_dmabuf(struct en_buf *b, int fd)
{
	struct im_mr mr;

	return im_reg_dmabuf_mr(&b->dev, &mr, 0, SIZE, 0, fd, IM_ACCESS_ALL, 0);
}

/* No one but the driver can use the dma-buf, now or later. */
TEST_F_TIMEOUT(descriptor, duplicated, 60)
{
	struct en_buf *b = &self->b;
	int kept = dup(self->fd);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, kept, 0));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	EXPECT_TRUE(hold_is_held("fd_installed"));
	ASSERT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_buf_write(b, PAGE - 100, 300, 7));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	EXPECT_EQ(0, en_buf_deregister(b));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	close(kept);
}

/*
 * No new descriptor gets its number: the next open() uses the lower number,
 * which is free.
 */
TEST_F_TIMEOUT(descriptor, closed, 60)
{
	ASSERT_EQ(0, close(self->lower));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EBADF, attempt_end(&self->attempt));
}

/*
 * Replaced by a file that is no dma-buf, and by a dma-buf that the driver
 * accepts.
 */
TEST_F_TIMEOUT(descriptor, replaced, 60)
{
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, file);
	ASSERT_EQ(self->fd, dup2(file, self->fd));
	EXPECT_EQ(-EINVAL, attempt_end(&self->attempt));
	close(file);
}

TEST_F_TIMEOUT(descriptor, replaced_by_dmabuf, 60)
{
	struct edu_rdma_stats stats = {};
	struct en_buf *b = &self->b;
	struct vt_mem other;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_dma));
	ASSERT_EQ(0, vt_mem_alloc(&other, &vt_mem_dma, SIZE, 0));
	ASSERT_EQ(self->fd, dup2(other.dmabuf, self->fd));
	EXPECT_EQ(-EBADF, attempt_end(&self->attempt));
	ASSERT_EQ(0, en_stats(b->engine, b->device, &stats));
	EXPECT_EQ(0, stats.mrs);
	vt_mem_free(&other);
}

/*
 * The driver refuses this registration after it has received the descriptor.
 * This revokes the dma-buf, although the test keeps a duplicate of the
 * descriptor.
 */
FIXTURE(refused)
{
	struct en_buf b;
	struct attempt attempt;
	int node, kept;
};

static int register_atomic(void *what)
{
	struct en_buf *b = what;
	struct vt_mem *mem = &b->buf.mem;
	struct im_mr mr;

	return im_reg_mr(&b->dev, &mr, mem->addr, mem->length, 0,
			 IM_ACCESS_ALL | IBV_ACCESS_REMOTE_ATOMIC);
}

FIXTURE_SETUP(refused)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	self->node = chardev_open();
	ASSERT_LE(0, self->node);
	ASSERT_EQ(0, en_buf_prepare(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_vram, SIZE));
	ASSERT_EQ(0, attempt_start(&self->attempt, "fd_installed",
				   register_atomic, &self->b));
	self->kept = dup(find_dmabuf());
	ASSERT_LE(0, self->kept);
}

FIXTURE_TEARDOWN(refused)
{
	close(self->kept);
	close(self->node);
	EXPECT_EQ(0, en_buf_close(&self->b));
}

TEST_F_TIMEOUT(refused, cleaned_up, 60)
{
	struct peer_mem_mr mr;

	ASSERT_EQ(0, chardev_next_mr(self->node, 0, 0, &mr));
	EXPECT_EQ(-EOPNOTSUPP, attempt_end(&self->attempt));
	EXPECT_EQ(ENOENT, chardev_next_mr(self->node, 0, 0, &mr));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
	EXPECT_EQ(-EPERM, reg_dmabuf(&self->b, self->kept));
}

/* ---- a process that is killed ---- */

FIXTURE(killed)
{
};

FIXTURE_VARIANT(killed)
{
	const char *point;
};

FIXTURE_VARIANT_ADD(killed, watched) { .point = "watched" };
FIXTURE_VARIANT_ADD(killed, claimed) { .point = "claimed" };
FIXTURE_VARIANT_ADD(killed, fd_installed) { .point = "fd_installed" };
FIXTURE_VARIANT_ADD(killed, resolve) { .point = "resolve" };
FIXTURE_VARIANT_ADD(killed, resolved) { .point = "resolved" };
FIXTURE_VARIANT_ADD(killed, dma_published) { .point = "dma_published" };

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
}

FIXTURE_TEARDOWN(killed)
{
}

static void register_it(const struct vt_mem_kind *kind)
{
	struct en_buf b;

	en_buf_open(&b, EDU_RDMA_REVOCABLE, IM_WRITE, kind, SIZE);
}

TEST_F_TIMEOUT(killed, registering, 60)
{
	ASSERT_EQ(0, kill_at(variant->point, register_it, &vt_mem_vram));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_HARNESS_MAIN
