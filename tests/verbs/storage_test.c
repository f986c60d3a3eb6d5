// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * File I/O directly to and from memory that RDMA devices can access: read() and
 * write() with a pointer into the mapping, without another buffer in the program. The
 * same bytes are transferred by RDMA.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "../page_size.h"
#include "lib/copy.h"
#include "lib/link.h"
#include "lib/pattern.h"

#define SIZE (1024 * 1024)

FIXTURE(storage)
{
	VT_LINK;
	int file;
	char path[256];
	uint8_t *heap;
};

VT_VARIANTS(storage);
VT_PINNED(storage, vram);
VT_PINNED(storage, vram_system);
VT_ON_DEMAND(storage, vram);
VT_ON_DEMAND(storage, vram_system);

FIXTURE_SETUP(storage)
{
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  variant->on_demand ?
				  VT_ACCESS_ALL | variant->on_demand : 0,
				  NULL));
	snprintf(self->path, sizeof(self->path), "%s/storage",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	self->file = open(self->path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ASSERT_LE(0, self->file);
	/* Aligned for direct I/O. */
	self->heap = aligned_alloc(page_size(), SIZE);
	ASSERT_NE(NULL, self->heap);
	vt_pattern_fill(self->heap, 7, 0, SIZE);
	ASSERT_EQ(SIZE, write(self->file, self->heap, SIZE));
}

FIXTURE_TEARDOWN(storage)
{
	free(self->heap);
	close(self->file);
	unlink(self->path);
	EXPECT_EQ(0, vt_link_close(&self->link));
}

/* Reads a part of the file into the memory, and updates the shadow. */
static int read_part(FIXTURE_DATA(storage) *self, uint64_t to, uint64_t from,
		     size_t length)
{
	memcpy(self->there.shadow + to, self->heap + from, length);
	return pread(self->file, self->there.mem.addr + to, length, from) ==
		(ssize_t)length ? 0 : -errno;
}

TEST_F(storage, file_to_network)
{
	ASSERT_EQ(0, read_part(self, 0, 0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	ASSERT_EQ(0, read_part(self, 4095, 1, 1));
	ASSERT_EQ(0, read_part(self, 65537, 123457, 300001));
	ASSERT_EQ(0, read_part(self, SIZE - 5, 11, 5));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0, &self->there,
				     0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

TEST_F(storage, network_to_file)
{
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 3, &self->here,
				      5, SIZE - 5));
	ASSERT_EQ(SIZE, pwrite(self->file, self->there.mem.addr, SIZE, 0));
	ASSERT_EQ(777, pwrite(self->file, self->there.mem.addr + 4000, 777,
			      8191));
	memcpy(self->heap, self->there.shadow, SIZE);
	memcpy(self->heap + 8191, self->there.shadow + 4000, 777);
	memset(self->there.shadow, 0, SIZE);
	ASSERT_EQ(SIZE, pread(self->file, self->there.shadow, SIZE, 0));
	EXPECT_EQ(-1, vt_first_diff(self->there.shadow, self->heap, SIZE));
}

/* Direct I/O needs pages of system memory. It fails, and the memory does not change. */
TEST_F(storage, direct_io_refused)
{
	int fd = open(self->path, O_RDWR | O_DIRECT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(SIZE, pread(fd, self->heap, SIZE, 0));
	EXPECT_EQ(-1, pread(fd, self->there.mem.addr, SIZE, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(-1, pwrite(fd, self->there.mem.addr, SIZE, 0));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

TEST_HARNESS_MAIN
