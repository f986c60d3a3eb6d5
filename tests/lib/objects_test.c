// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libpeermem's objects in video memory. What the library says of them is
 * compared with what the device, the mapping and the verbs say.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>

#include <infiniband/peermem.h>
#include <infiniband/peermem_vram.h>

#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/verbs.h"

#define PAGE 4096UL
#define SIZE (16 * PAGE)
#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

FIXTURE(object)
{
	struct peermem_vram *vram;
	struct peermem_object *object;
	struct vt_vram_info before;
};

FIXTURE_SETUP(object)
{
	ASSERT_EQ(0, vt_vram_info(&self->before));
	self->vram = peermem_open_vram(NULL, O_RDWR);
	ASSERT_NE(NULL, self->vram);
	self->object = peermem_alloc_object(self->vram, SIZE - 5, 0);
	ASSERT_NE(NULL, self->object);
}

/* Nothing is left of what a test did. */
FIXTURE_TEARDOWN(object)
{
	struct vt_vram_info after;

	EXPECT_EQ(0, peermem_free_object(self->object));
	EXPECT_EQ(0, peermem_close_vram(self->vram));
	EXPECT_EQ(0, vt_vram_info(&after));
	EXPECT_EQ(self->before.objects, after.objects);
	EXPECT_EQ(self->before.used, after.used);
}

static struct peermem_object_info info_of(struct peermem_object *object)
{
	struct peermem_object_info info;

	if (peermem_query_object(object, &info, sizeof(info)))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static int is_zero(const uint8_t *bytes, size_t length)
{
	return !*bytes && !memcmp(bytes, bytes + 1, length - 1);
}

static sigjmp_buf fault_env;

static void on_fault(int signal)
{
	siglongjmp(fault_env, signal);
}

/* The signal that a write to a byte gives; 0: none. */
static int touch(volatile uint8_t *byte)
{
	struct sigaction action = { .sa_handler = on_fault };
	int signal;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	signal = sigsetjmp(fault_env, 1);
	if (!signal)
		*byte = 1;
	return signal;
}

TEST_F(object, is_made)
{
	struct peermem_object_info info = info_of(self->object);

	EXPECT_EQ(self->vram, self->object->vram);
	EXPECT_EQ(SIZE, self->object->length);
	EXPECT_NE(0, self->object->handle);
	EXPECT_TRUE(is_zero(self->object->addr, SIZE));
	EXPECT_EQ(SIZE, info.length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info.domain);
	EXPECT_EQ(PEER_VRAM_QUERY_EXPORTABLE, info.flags);
	EXPECT_EQ(0, info.regions);
	EXPECT_EQ(0, info.pins);
}

TEST_F(object, flags)
{
	struct peermem_object *other;
	struct vt_vram_info after;

	other = peermem_alloc_object(self->vram, 1, PEER_VRAM_CREATE_SYSTEM |
				     PEER_VRAM_CREATE_NO_EXPORT |
				     PEER_VRAM_CREATE_IN_PLACE);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(PAGE, other->length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, info_of(other).domain);
	EXPECT_EQ(PEER_VRAM_QUERY_IN_PLACE, info_of(other).flags);
	EXPECT_EQ(0, peermem_free_object(other));
	/* Freed is gone, with the device still open. */
	EXPECT_EQ(0, vt_vram_info(&after));
	EXPECT_EQ(self->before.objects + 1, after.objects);
}

/* It goes where it is sent, and its bytes go with it. */
TEST_F(object, moves)
{
	static uint8_t bytes[SIZE];
	struct peermem_vram_info info, later;

	vt_pattern_fill(bytes, 1, 0, SIZE);
	memcpy(self->object->addr, bytes, SIZE);
	ASSERT_EQ(0, peermem_query_vram(self->vram, &info, sizeof(info)));
	EXPECT_EQ(0, peermem_evict_object(self->object));
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, info_of(self->object).domain);
	EXPECT_EQ(0, memcmp(self->object->addr, bytes, SIZE));
	EXPECT_EQ(0, peermem_move_object(self->object, PEER_VRAM_DOMAIN_VRAM));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info_of(self->object).domain);
	EXPECT_EQ(0, memcmp(self->object->addr, bytes, SIZE));
	ASSERT_EQ(0, peermem_query_vram(self->vram, &later, sizeof(later)));
	EXPECT_EQ(info.moves + 2, later.moves);
	EXPECT_EQ(EINVAL, peermem_move_object(self->object, 7));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(object, regions)
{
	struct ibv_mr *mr, unpinned;
	struct vt_dev dev;
	int fd;

	ASSERT_EQ(0, vt_dev_open(&dev));
	mr = ibv_reg_mr(dev.pd, self->object->addr, SIZE, WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, peermem_share_object(self->object, &fd));
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&unpinned, dev.pd, 0, SIZE, 0, fd,
				      WRITABLE));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(2, info_of(self->object).regions);
	EXPECT_EQ(1, info_of(self->object).pins);
	EXPECT_EQ(EBUSY, peermem_evict_object(self->object));
	EXPECT_EQ(0, peermem_revoke_object(self->object));
	EXPECT_EQ(0, info_of(self->object).regions);
	EXPECT_EQ(0, info_of(self->object).pins);
	EXPECT_EQ(0, peermem_evict_object(self->object));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&unpinned));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_dev_close(&dev);
}

/* Two devices opened, one object: what one writes the other reads. */
TEST_F(object, is_shared)
{
	struct peermem_vram *vram = peermem_open_vram("peer_vram0", O_RDWR);
	struct peermem_object *other;
	int fd = -1;

	ASSERT_NE(NULL, vram);
	ASSERT_EQ(0, peermem_share_object(self->object, &fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	other = peermem_import_object(vram, fd);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(SIZE, other->length);
	EXPECT_NE(self->object->addr, other->addr);
	vt_pattern_fill(self->object->addr, 2, 0, SIZE);
	EXPECT_EQ(0, memcmp(self->object->addr, other->addr, SIZE));
	EXPECT_EQ(0, peermem_free_object(other));
	EXPECT_EQ(0, peermem_close_vram(vram));
	EXPECT_EQ(0, touch(self->object->addr));
}

/* By an address in a mapping that the library knows nothing of. */
TEST_F(object, is_found)
{
	struct peermem_object *found;
	struct vt_mem mem;
	uint64_t offset;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, SIZE, 0));
	found = peermem_find_object(self->vram, mem.addr + PAGE + 3, &offset);
	ASSERT_NE(NULL, found);
	EXPECT_EQ(PAGE + 3, offset);
	EXPECT_EQ(SIZE, found->length);
	mem.addr[PAGE + 3] = 0x77;
	EXPECT_EQ(0x77, ((uint8_t *)found->addr)[offset]);
	EXPECT_EQ(0, peermem_free_object(found));
	found = peermem_find_object(self->vram, mem.addr, NULL);
	ASSERT_NE(NULL, found);
	EXPECT_EQ(0, peermem_free_object(found));
	EXPECT_EQ(0x77, mem.addr[PAGE + 3]);
	vt_mem_free(&mem);
	EXPECT_EQ(NULL, peermem_find_object(self->vram, &mem, NULL));
	EXPECT_EQ(ENOENT, errno);
}

/* All there are, each once, also those of others. */
TEST_F(object, are_gone_through)
{
	struct peermem_object *other, *next;
	unsigned int ours = 0, all = 0;
	struct vt_vram_info info;
	uint64_t last, number = 0;
	struct vt_mem mem;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, SIZE, 0));
	other = peermem_find_object(self->vram, mem.addr, NULL);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, peermem_free_object(other));
	mem.addr[7] = 0x66;
	((uint8_t *)self->object->addr)[7] = 0x55;
	for (last = 0; (next = peermem_next_object(self->vram, &number));
	     last = number) {
		EXPECT_LT(last, number);
		all++;
		ours += next->length == SIZE &&
			(((uint8_t *)next->addr)[7] == 0x55 ||
			 ((uint8_t *)next->addr)[7] == 0x66);
		EXPECT_EQ(0, peermem_free_object(next));
	}
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(2, ours);
	ASSERT_EQ(0, vt_vram_info(&info));
	EXPECT_EQ(info.objects, all);
	vt_mem_free(&mem);
}

TEST_F(object, are_not_for_all)
{
	uint64_t number = 0;

	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(NULL, peermem_next_object(self->vram, &number));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, setresuid(0, 0, 0));
}

/* A dead one is there as long as we have it, but nobody comes to it. */
TEST_F(object, are_gone_through_if_alive)
{
	struct peermem_object *next;
	uint64_t number = 0;

	ASSERT_EQ(0, peermem_destroy_object(self->object));
	while ((next = peermem_next_object(self->vram, &number))) {
		EXPECT_EQ(0, info_of(next).domain & ~1U);
		EXPECT_EQ(0, peermem_free_object(next));
	}
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(object, is_destroyed)
{
	struct peermem_object_info info;
	int fd;

	ASSERT_EQ(0, peermem_share_object(self->object, &fd));
	EXPECT_EQ(0, touch(self->object->addr));
	EXPECT_EQ(0, peermem_destroy_object(self->object));
	EXPECT_EQ(SIGBUS, touch(self->object->addr));
	EXPECT_EQ(ENODEV, peermem_destroy_object(self->object));
	EXPECT_EQ(ENODEV, peermem_evict_object(self->object));
	EXPECT_EQ(ENODEV, peermem_revoke_object(self->object));
	EXPECT_EQ(ENODEV, peermem_query_object(self->object, &info,
					       sizeof(info)));
	EXPECT_EQ(NULL, peermem_import_object(self->vram, fd));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, close(fd));
}

TEST_F(object, refusals)
{
	EXPECT_EQ(NULL, peermem_alloc_object(self->vram, 0, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, peermem_alloc_object(self->vram, 1, 1 << 30));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, peermem_alloc_object(self->vram, 1UL << 50, 0));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(NULL, peermem_import_object(self->vram, -1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(NULL, peermem_import_object(self->vram, STDERR_FILENO));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, peermem_free_object(NULL));
	EXPECT_EQ(0, peermem_close_vram(NULL));
}

TEST_F(object, devices)
{
	EXPECT_EQ(NULL, peermem_open_vram("peer_vram99", O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(NULL, peermem_open_vram("../dev/peer_vram0", O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(NULL, peermem_open_vram(NULL, O_WRONLY));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, peermem_open_vram(NULL, O_RDWR | O_CREAT));
	EXPECT_EQ(EINVAL, errno);
}

/* Opened for reading it maps and tells, and nothing else. */
TEST_F(object, read_only)
{
	struct peermem_vram *vram = peermem_open_vram(NULL, O_RDONLY);
	struct peermem_object *other;
	int fd;

	ASSERT_NE(NULL, vram);
	EXPECT_EQ(NULL, peermem_alloc_object(vram, SIZE, 0));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, peermem_share_object(self->object, &fd));
	other = peermem_import_object(vram, fd);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, close(fd));
	vt_pattern_fill(self->object->addr, 3, 0, SIZE);
	EXPECT_EQ(0, memcmp(self->object->addr, other->addr, SIZE));
	EXPECT_EQ(SIGSEGV, touch(other->addr));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info_of(other).domain);
	EXPECT_EQ(EACCES, peermem_evict_object(other));
	EXPECT_EQ(EACCES, peermem_share_object(other, &fd));
	EXPECT_EQ(EACCES, peermem_destroy_object(other));
	EXPECT_EQ(0, peermem_free_object(other));
	EXPECT_EQ(0, peermem_close_vram(vram));
}

TEST_F(object, video_memory)
{
	struct peermem_vram_info info;
	struct vt_vram_info raw;

	ASSERT_EQ(0, peermem_query_vram(self->vram, &info, sizeof(info)));
	ASSERT_EQ(0, vt_vram_info(&raw));
	EXPECT_EQ(raw.size, info.size);
	EXPECT_EQ(raw.used, info.used);
	EXPECT_EQ(raw.pinned, info.pinned);
	EXPECT_EQ(raw.pinnable, info.pinnable);
	EXPECT_EQ(raw.system_used, info.system_used);
	EXPECT_EQ(raw.block_size, info.block_size);
	EXPECT_EQ(raw.objects, info.objects);
	EXPECT_LT(0, info.creatable);
}

/* Programs that know fewer fields, and such that know more. */
TEST_F(object, sizes)
{
	struct {
		struct peermem_vram_info info;
		uint64_t more;
	} vram = { .more = 1 };
	struct {
		struct peermem_object_info info;
		uint64_t more;
	} object = { .more = 1 };

	EXPECT_EQ(EINVAL, peermem_query_vram(self->vram, &vram.info,
					     sizeof(vram.info) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, peermem_query_vram(self->vram, &vram.info, sizeof(vram)));
	EXPECT_LT(0, vram.info.size);
	EXPECT_EQ(0, vram.more);
	EXPECT_EQ(EINVAL, peermem_query_object(self->object, &object.info,
					       sizeof(object.info) - 1));
	EXPECT_EQ(0, peermem_query_object(self->object, &object.info,
					  sizeof(object)));
	EXPECT_EQ(SIZE, object.info.length);
	EXPECT_EQ(0, object.more);
}

TEST_HARNESS_MAIN
