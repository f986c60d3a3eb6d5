// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Output of the peer_vram ioctls: each byte is either defined or unchanged, and
 * none contains a kernel address. Each ioctl is called twice, with the output
 * fields initialized in two ways. The results must be equal.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "../vram/vram.h"
#include "user.h"

#define KERNEL_BITS 0xffff800000000000ULL

FIXTURE(ioctl_output)
{
	int fd;
	int share;
	uint32_t handle;
	uint8_t *addr;
};

FIXTURE_SETUP(ioctl_output)
{
	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, MIB, 0, &self->handle));
	self->addr = vram_map(self->fd, self->handle, MIB,
			      PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->addr);
	self->share = vram_share(self->fd, self->handle);
	ASSERT_LE(0, self->share);
}

FIXTURE_TEARDOWN(ioctl_output)
{
	munmap(self->addr, MIB);
	close(self->share);
	close(self->fd);
	EXPECT_EQ(0, vram_wait_empty(10));
}

static int kernel_addresses(const void *answer, size_t size)
{
	const uint64_t *word = answer;
	int found = 0;
	size_t i;

	for (i = 0; i < size / 8; i++)
		found += (word[i] & KERNEL_BITS) == KERNEL_BITS;
	return found;
}

/* @first and @second differ only in their output fields. */
#define EXPECT_SAME(request, first, second)				\
	do {								\
		ASSERT_EQ(0, vram_ioctl(self->fd, request, &(first)));	\
		ASSERT_EQ(0, vram_ioctl(self->fd, request, &(second)));	\
		EXPECT_EQ(0, memcmp(&(first), &(second),		\
				    sizeof(first)));			\
		EXPECT_EQ(0, kernel_addresses(&(first), sizeof(first)));\
	} while (0)

TEST_F(ioctl_output, info)
{
	struct peer_vram_info first, second;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0x5a, sizeof(second));
	first.size = sizeof(first);
	second.size = sizeof(second);
	first.reserved = 0;
	second.reserved = 0;
	EXPECT_SAME(PEER_VRAM_IOC_INFO, first, second);
}

TEST_F(ioctl_output, query)
{
	struct peer_vram_query first, second;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0x5a, sizeof(second));
	first.size = sizeof(first);
	second.size = sizeof(second);
	first.handle = self->handle;
	second.handle = self->handle;
	EXPECT_SAME(PEER_VRAM_IOC_QUERY, first, second);
}

/* These ioctls create an object each time, which is destroyed in between. */
TEST_F(ioctl_output, lookup)
{
	struct peer_vram_lookup first = {
		.size = sizeof(first), .handle = 0xa5a5a5a5,
		.addr = (uintptr_t)self->addr + 5, .offset = 0xa5a5a5a5,
	}, second = {
		.size = sizeof(second), .handle = 0x5a5a5a5a,
		.addr = (uintptr_t)self->addr + 5, .offset = 0x5a5a5a5a,
	};

	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_LOOKUP, &first));
	ASSERT_EQ(0, vram_close(self->fd, first.handle));
	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_LOOKUP, &second));
	EXPECT_EQ(0, memcmp(&first, &second, sizeof(first)));
	EXPECT_EQ(5, first.offset);
}

TEST_F(ioctl_output, create)
{
	struct peer_vram_create first = {
		.size = sizeof(first), .length = 1,
		.handle = 0xa5a5a5a5, .mmap_offset = 0xa5a5a5a5,
	}, second = {
		.size = sizeof(second), .length = 1,
		.handle = 0x5a5a5a5a, .mmap_offset = 0x5a5a5a5a,
	};

	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_CREATE, &first));
	ASSERT_EQ(0, vram_close(self->fd, first.handle));
	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_CREATE, &second));
	EXPECT_EQ(first.handle, second.handle);
	EXPECT_EQ(PAGE, second.length);
	EXPECT_EQ(0, kernel_addresses(&first, sizeof(first)));
	EXPECT_EQ(0, kernel_addresses(&second, sizeof(second)));
}

TEST_F(ioctl_output, import)
{
	struct peer_vram_share first = {
		.size = sizeof(first), .handle = 0xa5a5a5a5, .fd = self->share,
	}, second = {
		.size = sizeof(second), .handle = 0x5a5a5a5a, .fd = self->share,
	};

	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_IMPORT, &first));
	ASSERT_EQ(0, vram_close(self->fd, first.handle));
	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_IMPORT, &second));
	EXPECT_EQ(0, memcmp(&first, &second, sizeof(first)));
}

/* Only the administrator may read the location of a BO in the device. */
TEST_F(ioctl_output, blocks_need_privilege)
{
	struct peer_vram_block block;

	EXPECT_EQ(-EPERM, vram_blocks(self->fd, self->handle, &block, 1));
}

/* The part of a struct behind the kernel's struct is unchanged. */
TEST_F(ioctl_output, larger_struct)
{
	struct {
		struct peer_vram_info info;
		uint64_t more[4];
	} arg = {};

	arg.info.size = sizeof(arg);
	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_INFO, &arg));
	EXPECT_EQ(-1, zero_check(arg.more, sizeof(arg.more)));
}

TEST_HARNESS_MAIN
