// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A process with a dma-buf of a BO can add fences to it with
 * DMA_BUF_IOCTL_IMPORT_SYNC_FILE. The driver ignores these fences. BOs are moved,
 * evicted, swapped and destroyed while the fences are not signalled, without
 * waiting, and nothing leaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/test_dmabuf.h"
#include "vram.h"

#define LENGTH (40 * MIB)
#define NUM_BOS 6		/* more than fit into VRAM */
/* A wait for a fence would last until the end of the test, or 100 s. */
#define MAX_MS 8000

FIXTURE(user_fence)
{
	struct vt_mem source;	/* dma-buf that provides the fences */
	int fd;
	struct peer_vram_info before;
	uint32_t handle[NUM_BOS];
	int dmabuf[NUM_BOS];
};

/*
 * Return: a sync file of a fence that vt_test_dmabuf_finish() signals, or
 * -errno.
 */
static int pending_fence(struct vt_mem *source)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	int ret = vt_test_dmabuf_fence(source, PEER_TEST_DMABUF_FENCE_WRITE);

	if (!ret && ioctl(source->dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg))
		ret = -errno;
	return ret ? ret : arg.fd;
}

static int import_fence(int dmabuf, int fence)
{
	struct dma_buf_import_sync_file arg = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = fence,
	};

	return ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg) ? -errno : 0;
}

/* Return: true if the dma-buf has a fence that is not signalled. */
static bool is_pending(int dmabuf)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	struct pollfd poll_fd = { .events = POLLIN };

	if (ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg))
		return false;
	poll_fd.fd = arg.fd;
	if (poll(&poll_fd, 1, 0))
		poll_fd.revents = POLLIN;
	close(arg.fd);
	return !poll_fd.revents;
}

FIXTURE_SETUP(user_fence)
{
	int i, fence;

	ASSERT_EQ(0, vram_wait_empty(10));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_info(self->fd, &self->before));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_fixed));
	ASSERT_EQ(0, vt_mem_alloc(&self->source, &vt_mem_fixed, PAGE, 0));
	fence = pending_fence(&self->source);
	ASSERT_LE(0, fence);
	for (i = 0; i < NUM_BOS; i++) {
		ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &self->handle[i]));
		self->dmabuf[i] = vram_share(self->fd, self->handle[i]);
		ASSERT_LE(0, self->dmabuf[i]);
		ASSERT_EQ(0, import_fence(self->dmabuf[i], fence));
		ASSERT_TRUE(is_pending(self->dmabuf[i]));
	}
	close(fence);
}

FIXTURE_TEARDOWN(user_fence)
{
	int i;

	/* The fences are still pending, so nothing has waited for them. */
	for (i = 0; i < NUM_BOS; i++) {
		EXPECT_TRUE(is_pending(self->dmabuf[i]));
		close(self->dmabuf[i]);
	}
	close(self->fd);
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, vt_test_dmabuf_finish(&self->source));
	vt_mem_free(&self->source);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

typedef FIXTURE_DATA(user_fence) user_fence_data;

/* Moves each BO to VRAM and back, which evicts others. Return: 0 or -errno. */
static int move_all(user_fence_data *self)
{
	int i, ret = 0;

	for (i = 0; i < NUM_BOS && !ret; i++) {
		ret = vram_move(self->fd, self->handle[i], PEER_VRAM_DOMAIN_VRAM);
		if (!ret)
			ret = vram_move(self->fd, self->handle[i],
					PEER_VRAM_DOMAIN_SYSTEM);
	}
	return ret;
}

TEST_F_TIMEOUT(user_fence, bos_move, 120)
{
	struct peer_vram_info info;
	long start = now_ms();

	ASSERT_EQ(0, move_all(self));
	EXPECT_GT(MAX_MS * NUM_BOS, now_ms() - start);
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(0, info.vram_used);
	EXPECT_LE(self->before.moves + NUM_BOS, info.moves);
}

/* Another process allocates more VRAM than is free. */
TEST_F_TIMEOUT(user_fence, bos_are_evicted, 120)
{
	long start = now_ms();
	uint32_t handle;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		int fd = vram_open(O_RDWR);
		void *map = mmap(NULL, 100 * MIB, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd, 0);

		_exit(map == MAP_FAILED ||
		      vram_create(fd, 100 * MIB, 0, &handle));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GT(MAX_MS, now_ms() - start);
}

TEST_F_TIMEOUT(user_fence, bos_are_destroyed, 120)
{
	struct peer_vram_info info;
	long start = now_ms();
	int i;

	for (i = 0; i < NUM_BOS; i++)
		EXPECT_EQ(0, vram_destroy(self->fd, self->handle[i]));
	EXPECT_GT(MAX_MS, now_ms() - start);
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(self->before.vram_used, info.vram_used);
	EXPECT_EQ(self->before.system_used, info.system_used);
}

TEST_F_TIMEOUT(user_fence, data_survives_moves, 120)
{
	uint32_t seed = 7;
	char *bytes = malloc(MIB);

	ASSERT_NE(NULL, bytes);
	pattern_fill(bytes, MIB, seed, 0);
	ASSERT_EQ(0, vram_write(self->fd, self->handle[0], 0, bytes, MIB));
	ASSERT_EQ(0, move_all(self));
	memset(bytes, 0, MIB);
	ASSERT_EQ(0, vram_read(self->fd, self->handle[0], 0, bytes, MIB));
	EXPECT_EQ(-1, pattern_check(bytes, MIB, seed, 0));
	free(bytes);
}

TEST_HARNESS_MAIN
