// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Export of a range as a dma-buf (kernel/core/umem/export.c), and registration
 * of that dma-buf, while the process loses the range. The call is held before
 * the exporter is asked for the range, and after its claim:
 *
 *   call held      event                           result
 *   EXPORT         munmap                          ENODEV, no descriptor
 *                  other memory of the same        ENODEV, no descriptor: this is
 *                  exporter is mapped there        not the requested memory
 *                  the process is killed           nothing is left
 *   registration   munmap or a new mapping         ENODEV, no MR
 *                  the process is killed           exit does not wait; the MR is
 *                                                  created and revoked soon after
 *   QUERY          the process is killed           nothing is left
 *
 * The event never waits for the held call.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <rdma/peer_mem.h>

#include "../lib/chardev.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define BOUND_MS 20000

FIXTURE(export)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf here;
	struct vt_mem mem;
	int fd;
	struct ibv_mr mr;
};

typedef FIXTURE_DATA(export) export_t;

FIXTURE_VARIANT(export)
{
	const struct vt_mem_kind *kind;
	const char *point;
};

#define EXPORT_VARIANTS(memory)						\
	FIXTURE_VARIANT_ADD(export, memory##_watched)			\
	{								\
		.kind = &vt_mem_##memory,				\
		.point = "watched",					\
	};								\
	FIXTURE_VARIANT_ADD(export, memory##_claimed)			\
	{								\
		.kind = &vt_mem_##memory,				\
		.point = "claimed",					\
	}

EXPORT_VARIANTS(vram);
EXPORT_VARIANTS(cmb);
EXPORT_VARIANTS(peerdirect);

FIXTURE_SETUP(export)
{
	self->fd = -1;
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->here, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
}

FIXTURE_TEARDOWN(export)
{
	if (self->fd >= 0)
		close(self->fd);
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_buf_close(&self->here));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* ---- calls that are held ---- */

static int export_range(void *what)
{
	export_t *self = what;

	return vt_export(self->mem.addr, SIZE, PEER_MEM_EXPORT_WRITE);
}

static int register_range(void *what)
{
	export_t *self = what;

	return vt_reg_dmabuf_mr(&self->mr, self->dev.pd, 0, SIZE, 0, self->fd,
				VT_ACCESS_DMABUF);
}

/* ---- events while a call is held ---- */

static void lose_range(struct __test_metadata *_metadata, export_t *self,
		 const char *point, int (*make)(void *what),
		 int (*meanwhile)(struct vt_mem *mem))
{
	struct attempt attempt;

	ASSERT_EQ(0, attempt_start(&attempt, point, make, self));
	EXPECT_EQ(0, meanwhile(&self->mem));
	EXPECT_TRUE(hold_is_held(point));
	EXPECT_EQ(-ENODEV, attempt_end(&attempt));
}

TEST_F_TIMEOUT(export, export_against_munmap, 60)
{
	lose_range(_metadata, self, variant->point, export_range, race_unmap);
}

TEST_F_TIMEOUT(export, export_against_new_mapping, 60)
{
	lose_range(_metadata, self, variant->point, export_range, race_replace);
}

TEST_F_TIMEOUT(export, registration_against_munmap, 60)
{
	self->fd = export_range(self);
	ASSERT_LE(0, self->fd);
	lose_range(_metadata, self, variant->point, register_range, race_unmap);
}

TEST_F_TIMEOUT(export, registration_against_new_mapping, 60)
{
	self->fd = export_range(self);
	ASSERT_LE(0, self->fd);
	lose_range(_metadata, self, variant->point, register_range,
		   race_replace);
}

/* ---- the exporting process exits ---- */

static void export_alone(const struct vt_mem_kind *kind)
{
	struct vt_mem mem;

	if (!vt_mem_alloc(&mem, kind, SIZE, 0))
		vt_export(mem.addr, SIZE, 0);
}

TEST_F_TIMEOUT(export, export_against_exit, 60)
{
	EXPECT_EQ(0, kill_at(variant->point, export_alone, variant->kind));
}

static void query_alone(const struct vt_mem_kind *kind)
{
	struct peer_mem_query query;
	struct vt_mem mem;
	int fd = chardev_open();

	if (fd < 0 || vt_mem_alloc(&mem, kind, SIZE, 0))
		return;
	query = new_query(mem.addr, SIZE, IBV_ACCESS_LOCAL_WRITE);
	chardev_call(fd, PEER_MEM_IOC_QUERY, &query);
}

/* The query returns EINTR, which the killed process does not see. */
TEST(query_against_exit)
{
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_vram));
	EXPECT_EQ(0, kill_at("claimed", query_alone, &vt_mem_vram));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* Starts a process that exports its own memory, and then waits to be killed. */
static pid_t exporter_start(const struct vt_mem_kind *kind, int *fd)
{
	struct vt_mem mem;
	int sockets[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -errno;
	pid = fork();
	if (!pid) {
		if (vt_mem_alloc(&mem, kind, SIZE, 0) ||
		    vt_send_fd(sockets[1], vt_export(mem.addr, SIZE,
						     PEER_MEM_EXPORT_WRITE)))
			_exit(1);
		for (;;)
			pause();
	}
	*fd = vt_recv_fd(sockets[0]);
	close(sockets[0]);
	close(sockets[1]);
	return pid;
}

/* Return: the status of the first access that fails, or 0 if none fails. */
static int wait_until_revoked(export_t *self)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, LENGTH);
	struct vt_remote there = { 0, self->mr.rkey };
	int64_t until = vt_now_ms() + BOUND_MS;
	int ret;

	do
		ret = vt_rdma_write(&self->pair.end[0], &sge, 1, there);
	while (!ret && vt_now_ms() < until);
	return ret;
}

TEST_F_TIMEOUT(export, registration_against_exit, 60)
{
	struct attempt attempt;
	struct ibv_mr none;
	pid_t exporter = exporter_start(variant->kind, &self->fd);

	ASSERT_LT(0, exporter);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, attempt_start(&attempt, variant->point, register_range,
				   self));
	ASSERT_EQ(0, kill(exporter, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(exporter, BOUND_MS));
	EXPECT_TRUE(hold_is_held(variant->point));
	ASSERT_EQ(0, attempt_end(&attempt));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, wait_until_revoked(self));
	EXPECT_EQ(-ENODEV, vt_reg_dmabuf_mr(&none, self->dev.pd, 0, SIZE, 0,
					    self->fd, 0));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&self->mr));
}

TEST_HARNESS_MAIN
