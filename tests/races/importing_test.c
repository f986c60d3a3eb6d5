// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Devices that do DMA (kernel/core/bridge.c) while the memory goes. The one is
 * held where its owner was asked and where it has answered; what comes in between,
 * and what is wanted:
 *
 *   what is held   the memory is     outcome
 *   access         moved             the answer is not used; the access goes to
 *                                    the new place
 *                  destroyed         the access fails, and all that come
 *                  unmapped, or      it may see the memory that was registered,
 *                  other memory is   never the other; soon all fail
 *                  mapped there
 *   registration   moved             the MR works, for who follows; who pins
 *                                    keeps it where it is
 *                  destroyed         no MR, or one that is over
 *                  unmapped, other   the same, soon
 *                  gone, its process the process does not wait; nothing is left
 *                  was killed
 *
 * Nobody who takes the memory away waits for what is held. And the descriptor that
 * the driver is handed comes into the hands of another thread.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../importers/engine.h"
#include "../lib/node.h"
#include "attempt.h"
#include "hold.h"
#include "scene.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE 4096

/* Until no access comes through. */
static int is_over(struct en_buf *b)
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

/* @early: the device can have the answer before the memory goes */
FIXTURE_VARIANT(access)
{
	const char *point;
	bool early;
};

FIXTURE_VARIANT_ADD(access, ask) { .point = "ask" };
FIXTURE_VARIANT_ADD(access, answered) { .point = "answered" };
FIXTURE_VARIANT_ADD(access, offered) { .point = "offered", .early = true };

static int put(void *what)
{
	return en_put(what, PAGE - 100, 300, 7);
}

/* The first access since it moved. */
FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
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

/* Both ways: who was asked has brought it home, who was not has not. */
TEST_F_TIMEOUT(access, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(access, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_TRUE(attempt_end(&self->attempt) || variant->early);
	EXPECT_EQ(0, is_over(&self->b));
}

TEST_F_TIMEOUT(access, against_munmap, 60)
{
	ASSERT_EQ(0, scene_unmap(&self->b.buf.mem));
	EXPECT_TRUE(hold_held(variant->point));
	attempt_end(&self->attempt);
	EXPECT_EQ(0, is_over(&self->b));
}

/* What came to its place is not touched. */
TEST_F_TIMEOUT(access, against_new_mapping, 60)
{
	static const char zeros[SIZE];

	ASSERT_EQ(0, scene_replace(&self->b.buf.mem));
	EXPECT_TRUE(hold_held(variant->point));
	attempt_end(&self->attempt);
	EXPECT_EQ(0, is_over(&self->b));
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
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, en_buf_open(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_vram, SIZE));
	ASSERT_EQ(0, en_put(&self->b, PAGE - 100, 300, 6));
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

/* It is on its way to the lock of the dma-buf; the other is there before it. */
static void against_move(struct __test_metadata *_metadata,
			 FIXTURE_DATA(move) *self, int (*other)(void *what))
{
	ASSERT_EQ(0, attempt_prepare(&self->access, other, &self->b));
	ASSERT_EQ(0, attempt_start(&self->move, "moving", move_away, &self->b));
	attempt_go(&self->access);
	usleep(500000);
	EXPECT_TRUE(hold_held("moving"));
	EXPECT_EQ(0, attempt_end(&self->move));
	EXPECT_EQ(0, attempt_join(&self->access));
}

TEST_F_TIMEOUT(move, against_access, 60)
{
	against_move(_metadata, self, put);
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
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

/* @pinned: by then */
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
REGISTRATION(dynamic, DYNAMIC, handed, false);
REGISTRATION(dynamic, DYNAMIC, ask, false);
REGISTRATION(dynamic, DYNAMIC, answered, false);
REGISTRATION(dynamic, DYNAMIC, offered, false);
REGISTRATION(revocable, REVOCABLE, watched, false);
REGISTRATION(revocable, REVOCABLE, claimed, false);
REGISTRATION(revocable, REVOCABLE, handed, false);
REGISTRATION(revocable, REVOCABLE, ask, true);
REGISTRATION(revocable, REVOCABLE, answered, true);
REGISTRATION(revocable, REVOCABLE, offered, true);

static int do_register(void *what)
{
	return en_buf_register(what);
}

FIXTURE_SETUP(registration)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
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

/* What comes of it, once it goes on: an error, or an MR that is soon over. */
static void is_nothing(struct __test_metadata *_metadata,
		       FIXTURE_DATA(registration) *self, const char *point)
{
	EXPECT_TRUE(hold_held(point));
	if (!attempt_end(&self->attempt))
		EXPECT_EQ(0, is_over(&self->b));
}

TEST_F_TIMEOUT(registration, against_move, 60)
{
	int moved = vt_mem_move(&self->b.buf.mem, false);

	EXPECT_EQ(variant->pinned, moved != 0);
	EXPECT_TRUE(hold_held(variant->point));
	ASSERT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_put(&self->b, PAGE - 100, 300, 7));
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(registration, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	is_nothing(_metadata, self, variant->point);
}

TEST_F_TIMEOUT(registration, against_munmap, 60)
{
	ASSERT_EQ(0, scene_unmap(&self->b.buf.mem));
	is_nothing(_metadata, self, variant->point);
}

TEST_F_TIMEOUT(registration, against_new_mapping, 60)
{
	ASSERT_EQ(0, scene_replace(&self->b.buf.mem));
	is_nothing(_metadata, self, variant->point);
}

/* ---- the descriptor that the driver is handed ---- */

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

/* The lowest of a dma-buf; -ENOENT: there is none. */
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

/* Before the driver has looked at it. */
FIXTURE_SETUP(descriptor)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, en_buf_prepare(&self->b, variant->device, IM_WRITE,
				    &vt_mem_vram, SIZE));
	self->lower = dup(0);
	ASSERT_EQ(0, attempt_start(&self->attempt, "handed", do_register,
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

/* Nobody but the driver can do anything with it, now or ever. */
TEST_F_TIMEOUT(descriptor, caught, 60)
{
	struct en_buf *b = &self->b;
	int kept = dup(self->fd);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, kept, 0));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	EXPECT_TRUE(hold_held("handed"));
	ASSERT_EQ(0, attempt_end(&self->attempt));
	EXPECT_EQ(0, en_put(b, PAGE - 100, 300, 7));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	EXPECT_EQ(0, en_buf_deregister(b));
	EXPECT_EQ(-EPERM, reg_dmabuf(b, kept));
	close(kept);
}

/* And nothing comes to its place: what is opened next gets a lower number. */
TEST_F_TIMEOUT(descriptor, closed, 60)
{
	ASSERT_EQ(0, close(self->lower));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EBADF, attempt_end(&self->attempt));
}

/* By a file that is no dma-buf, and by one that the driver takes. */
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
 * The driver refuses such a registration when it has been handed the descriptor. That
 * is its end, though somebody has kept the descriptor.
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
	ASSERT_EQ(0, en_bridges("all"));
	self->node = node_open();
	ASSERT_LE(0, self->node);
	ASSERT_EQ(0, en_buf_prepare(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_vram, SIZE));
	ASSERT_EQ(0, attempt_start(&self->attempt, "handed", register_atomic,
				   &self->b));
	self->kept = dup(find_dmabuf());
	ASSERT_LE(0, self->kept);
}

FIXTURE_TEARDOWN(refused)
{
	close(self->kept);
	close(self->node);
	EXPECT_EQ(0, en_buf_close(&self->b));
}

TEST_F_TIMEOUT(refused, leaves_nothing, 60)
{
	struct peer_mem_mr mr;

	ASSERT_EQ(0, node_next_mr(self->node, 0, 0, &mr));
	EXPECT_EQ(-EOPNOTSUPP, attempt_end(&self->attempt));
	EXPECT_EQ(ENOENT, node_next_mr(self->node, 0, 0, &mr));
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
FIXTURE_VARIANT_ADD(killed, handed) { .point = "handed" };
FIXTURE_VARIANT_ADD(killed, ask) { .point = "ask" };
FIXTURE_VARIANT_ADD(killed, answered) { .point = "answered" };
FIXTURE_VARIANT_ADD(killed, offered) { .point = "offered" };

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
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
