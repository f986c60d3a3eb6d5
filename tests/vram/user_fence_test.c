// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Whoever has a descriptor of an object may put fences into it, by the calls that
 * every dma-buf has. They are of no concern to the driver: while they are not
 * signalled objects move, are evicted, swapped and destroyed as ever, nobody waits,
 * and nothing is left.
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
#define OBJECTS 6		/* more than there is VRAM for */
/* What waits for a fence does so until the end of the test, or for 100 s. */
#define PROMPT_MS 8000

FIXTURE(user)
{
	struct vt_mem source;	/* of fences */
	int fd;
	struct peer_vram_info before;
	uint32_t handle[OBJECTS];
	int share[OBJECTS];
};

/* Makes a sync file of a fence that signals at vt_test_dmabuf_finish(). */
static int pending_fence(struct vt_mem *source)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	int ret = vt_test_dmabuf_fence(source, PEER_TEST_DMABUF_FENCE_WRITE);

	if (!ret && ioctl(source->dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg))
		ret = -errno;
	return ret ? ret : arg.fd;
}

static int put_fence(int share, int fence)
{
	struct dma_buf_import_sync_file arg = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = fence,
	};

	return ioctl(share, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg) ? -errno : 0;
}

/* Is the fence there, for those who use the descriptor? */
static bool is_pending(int share)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	struct pollfd poll_fd = { .events = POLLIN };

	if (ioctl(share, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg))
		return false;
	poll_fd.fd = arg.fd;
	if (poll(&poll_fd, 1, 0))
		poll_fd.revents = POLLIN;
	close(arg.fd);
	return !poll_fd.revents;
}

FIXTURE_SETUP(user)
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
	for (i = 0; i < OBJECTS; i++) {
		ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &self->handle[i]));
		self->share[i] = vram_share(self->fd, self->handle[i]);
		ASSERT_LE(0, self->share[i]);
		ASSERT_EQ(0, put_fence(self->share[i], fence));
		ASSERT_TRUE(is_pending(self->share[i]));
	}
	close(fence);
}

FIXTURE_TEARDOWN(user)
{
	int i;

	/* All of them pending still: nothing has waited for them. */
	for (i = 0; i < OBJECTS; i++) {
		EXPECT_TRUE(is_pending(self->share[i]));
		close(self->share[i]);
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

typedef FIXTURE_DATA(user) user_t;

/* Moves each object to and fro, which evicts others. Return: 0 or -errno. */
static int move_all(user_t *self)
{
	int i, ret = 0;

	for (i = 0; i < OBJECTS && !ret; i++) {
		ret = vram_move(self->fd, self->handle[i], PEER_VRAM_DOMAIN_VRAM);
		if (!ret)
			ret = vram_move(self->fd, self->handle[i],
					PEER_VRAM_DOMAIN_SYSTEM);
	}
	return ret;
}

TEST_F_TIMEOUT(user, objects_move, 120)
{
	struct peer_vram_info info;
	long start = now_ms();

	ASSERT_EQ(0, move_all(self));
	EXPECT_GT(PROMPT_MS * OBJECTS, now_ms() - start);
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(0, info.vram_used);
	EXPECT_LE(self->before.moves + OBJECTS, info.moves);
}

/* Another process needs the room that they have. */
TEST_F_TIMEOUT(user, others_get_room, 120)
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
	EXPECT_GT(PROMPT_MS, now_ms() - start);
}

TEST_F_TIMEOUT(user, objects_are_destroyed, 120)
{
	struct peer_vram_info info;
	long start = now_ms();
	int i;

	for (i = 0; i < OBJECTS; i++)
		EXPECT_EQ(0, vram_destroy(self->fd, self->handle[i]));
	EXPECT_GT(PROMPT_MS, now_ms() - start);
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(self->before.vram_used, info.vram_used);
	EXPECT_EQ(self->before.system_used, info.system_used);
}

TEST_F_TIMEOUT(user, bytes_stay, 120)
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
