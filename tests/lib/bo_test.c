// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The VRAM functions of libpeermem. Compares their results with the device, the
 * mapping and the verbs.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <infiniband/peermem.h>
#include <infiniband/peermem_vram.h>

#include "../page_size.h"
#include "lib/driver.h"
#include "lib/file_limit.h"
#include "lib/mem.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/verbs.h"

#define PAGE page_size()
#define SIZE (16 * PAGE)
#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

FIXTURE(bo)
{
	struct peermem_vram *vram;
	struct peermem_bo *bo;
	struct vt_vram_info before;
};

FIXTURE_SETUP(bo)
{
	ASSERT_EQ(0, vt_vram_info(&self->before));
	self->vram = peermem_open_vram(NULL, O_RDWR);
	ASSERT_NE(NULL, self->vram);
	self->bo = peermem_alloc_bo(self->vram, SIZE - 5, 0);
	ASSERT_NE(NULL, self->bo);
}

/* A test leaves no BO and no used VRAM behind. */
FIXTURE_TEARDOWN(bo)
{
	struct vt_vram_info after;

	EXPECT_EQ(0, peermem_free_bo(self->bo));
	EXPECT_EQ(0, peermem_close_vram(self->vram));
	EXPECT_EQ(0, vt_vram_info(&after));
	EXPECT_EQ(self->before.objects, after.objects);
	EXPECT_EQ(self->before.used, after.used);
}

static struct peermem_bo_info info_of(struct peermem_bo *bo)
{
	struct peermem_bo_info info;

	if (peermem_query_bo(bo, &info, sizeof(info)))
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

/* Writes a byte. Return: the signal that the write raises, or 0. */
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

TEST_F(bo, allocated)
{
	struct peermem_bo_info info = info_of(self->bo);

	EXPECT_EQ(self->vram, self->bo->vram);
	EXPECT_EQ(SIZE, self->bo->length);
	EXPECT_NE(0, self->bo->handle);
	EXPECT_TRUE(is_zero(self->bo->addr, SIZE));
	EXPECT_EQ(SIZE, info.length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info.domain);
	EXPECT_EQ(PEER_VRAM_QUERY_EXPORTABLE, info.flags);
	EXPECT_EQ(0, info.regions);
	EXPECT_EQ(0, info.pins);
}

TEST_F(bo, flags)
{
	struct peermem_bo *other;
	struct vt_vram_info after;

	other = peermem_alloc_bo(self->vram, 1, PEER_VRAM_CREATE_SYSTEM |
				     PEER_VRAM_CREATE_NO_EXPORT |
				     PEER_VRAM_CREATE_IN_PLACE);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(PAGE, other->length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, info_of(other).domain);
	EXPECT_EQ(PEER_VRAM_QUERY_IN_PLACE, info_of(other).flags);
	EXPECT_EQ(0, peermem_free_bo(other));
	/* The BO is freed although the device is still open. */
	EXPECT_EQ(0, vt_vram_info(&after));
	EXPECT_EQ(self->before.objects + 1, after.objects);
}

/* A move changes the domain and keeps the content. */
TEST_F(bo, moved)
{
	static uint8_t bytes[16 * MAX_PAGE_SIZE];
	struct peermem_vram_info info, later;

	vt_pattern_fill(bytes, 1, 0, SIZE);
	memcpy(self->bo->addr, bytes, SIZE);
	ASSERT_EQ(0, peermem_query_vram(self->vram, &info, sizeof(info)));
	EXPECT_EQ(0, peermem_evict_bo(self->bo));
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, info_of(self->bo).domain);
	EXPECT_EQ(0, memcmp(self->bo->addr, bytes, SIZE));
	EXPECT_EQ(0, peermem_move_bo(self->bo, PEER_VRAM_DOMAIN_VRAM));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info_of(self->bo).domain);
	EXPECT_EQ(0, memcmp(self->bo->addr, bytes, SIZE));
	ASSERT_EQ(0, peermem_query_vram(self->vram, &later, sizeof(later)));
	EXPECT_EQ(info.moves + 2, later.moves);
	EXPECT_EQ(EINVAL, peermem_move_bo(self->bo, 7));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(bo, regions)
{
	struct ibv_mr *mr, unpinned;
	struct vt_dev dev;
	int fd;

	ASSERT_EQ(0, vt_dev_open(&dev));
	mr = ibv_reg_mr(dev.pd, self->bo->addr, SIZE, WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, peermem_share_bo(self->bo, &fd));
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&unpinned, dev.pd, 0, SIZE, 0, fd,
				      WRITABLE));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(2, info_of(self->bo).regions);
	EXPECT_EQ(1, info_of(self->bo).pins);
	EXPECT_EQ(EBUSY, peermem_evict_bo(self->bo));
	EXPECT_EQ(0, peermem_revoke_bo(self->bo));
	EXPECT_EQ(0, info_of(self->bo).regions);
	EXPECT_EQ(0, info_of(self->bo).pins);
	EXPECT_EQ(0, peermem_evict_bo(self->bo));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&unpinned));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_dev_close(&dev);
}

/* VRAM has no room for a BO of its size, because another BO is pinned. */
TEST_F(bo, no_room)
{
	struct peermem_vram_info info;
	struct peermem_bo *large;
	struct ibv_mr *mr;
	struct vt_dev dev;

	ASSERT_EQ(0, vt_dev_open(&dev));
	mr = ibv_reg_mr(dev.pd, self->bo->addr, SIZE, WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, peermem_query_vram(self->vram, &info, sizeof(info)));
	large = peermem_alloc_bo(self->vram, info.size,
				 PEER_VRAM_CREATE_SYSTEM);
	ASSERT_NE(NULL, large);
	EXPECT_EQ(ENOMEM, peermem_move_bo(large, PEER_VRAM_DOMAIN_VRAM));
	EXPECT_EQ(0, peermem_free_bo(large));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_dev_close(&dev);
}

/* One BO in two open files: both mappings show the same memory. */
TEST_F(bo, shared)
{
	struct peermem_vram *vram = peermem_open_vram("peer_vram0", O_RDWR);
	struct peermem_bo *other;
	int fd = -1;

	ASSERT_NE(NULL, vram);
	ASSERT_EQ(0, peermem_share_bo(self->bo, &fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	other = peermem_import_bo(vram, fd);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(SIZE, other->length);
	EXPECT_NE(self->bo->addr, other->addr);
	vt_pattern_fill(self->bo->addr, 2, 0, SIZE);
	EXPECT_EQ(0, memcmp(self->bo->addr, other->addr, SIZE));
	EXPECT_EQ(0, peermem_free_bo(other));
	EXPECT_EQ(0, peermem_close_vram(vram));
	EXPECT_EQ(0, touch(self->bo->addr));
}

/* By an address in a mapping that the library did not create. */
TEST_F(bo, found_by_address)
{
	struct peermem_bo *found;
	struct vt_mem mem;
	uint64_t offset;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, SIZE, 0));
	found = peermem_find_bo(self->vram, mem.addr + PAGE + 3, &offset);
	ASSERT_NE(NULL, found);
	EXPECT_EQ(PAGE + 3, offset);
	EXPECT_EQ(SIZE, found->length);
	mem.addr[PAGE + 3] = 0x77;
	EXPECT_EQ(0x77, ((uint8_t *)found->addr)[offset]);
	EXPECT_EQ(0, peermem_free_bo(found));
	found = peermem_find_bo(self->vram, mem.addr, NULL);
	ASSERT_NE(NULL, found);
	EXPECT_EQ(0, peermem_free_bo(found));
	EXPECT_EQ(0x77, mem.addr[PAGE + 3]);
	vt_mem_free(&mem);
	EXPECT_EQ(NULL, peermem_find_bo(self->vram, &mem, NULL));
	EXPECT_EQ(ENOENT, errno);
}

/* The iteration returns each BO once, also those of other files. */
TEST_F(bo, iteration)
{
	struct peermem_bo *other, *next;
	unsigned int ours = 0, all = 0;
	struct vt_vram_info info;
	uint64_t last, number = 0;
	struct vt_mem mem;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, SIZE, 0));
	other = peermem_find_bo(self->vram, mem.addr, NULL);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, peermem_free_bo(other));
	mem.addr[7] = 0x66;
	((uint8_t *)self->bo->addr)[7] = 0x55;
	for (last = 0; (next = peermem_next_bo(self->vram, &number));
	     last = number) {
		EXPECT_LT(last, number);
		all++;
		ours += next->length == SIZE &&
			(((uint8_t *)next->addr)[7] == 0x55 ||
			 ((uint8_t *)next->addr)[7] == 0x66);
		EXPECT_EQ(0, peermem_free_bo(next));
	}
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(2, ours);
	ASSERT_EQ(0, vt_vram_info(&info));
	EXPECT_EQ(info.objects, all);
	vt_mem_free(&mem);
}

TEST_F(bo, iteration_requires_privilege)
{
	uint64_t number = 0;

	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(NULL, peermem_next_bo(self->vram, &number));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, setresuid(0, 0, 0));
}

/* A destroyed BO exists until its handle is closed, but the iteration skips it. */
TEST_F(bo, iteration_skips_destroyed)
{
	struct peermem_bo *next;
	uint64_t number = 0;

	ASSERT_EQ(0, peermem_destroy_bo(self->bo));
	while ((next = peermem_next_bo(self->vram, &number))) {
		EXPECT_EQ(0, info_of(next).domain & ~1U);
		EXPECT_EQ(0, peermem_free_bo(next));
	}
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(bo, destroyed)
{
	struct peermem_bo_info info;
	int fd;

	ASSERT_EQ(0, peermem_share_bo(self->bo, &fd));
	EXPECT_EQ(0, touch(self->bo->addr));
	EXPECT_EQ(0, peermem_destroy_bo(self->bo));
	EXPECT_EQ(SIGBUS, touch(self->bo->addr));
	EXPECT_EQ(ENODEV, peermem_destroy_bo(self->bo));
	EXPECT_EQ(ENODEV, peermem_evict_bo(self->bo));
	EXPECT_EQ(ENODEV, peermem_revoke_bo(self->bo));
	EXPECT_EQ(ENODEV, peermem_query_bo(self->bo, &info,
					   sizeof(info)));
	EXPECT_EQ(NULL, peermem_import_bo(self->vram, fd));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NULL, peermem_find_bo(self->vram, self->bo->addr, NULL));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, close(fd));
}

/* The driver is unbound from the device, and bound again. */
TEST_F_TIMEOUT(bo, device_removed, 60)
{
	struct peermem_vram_info info;
	struct vt_driver driver;
	uint64_t number = 0;
	int fd, tries;

	ASSERT_EQ(0, vt_driver_find(&driver, "/dev/peer_vram0"));
	ASSERT_EQ(0, vt_driver_write(&driver, "unbind"));
	EXPECT_EQ(ENODEV, peermem_query_vram(self->vram, &info, sizeof(info)));
	EXPECT_EQ(NULL, peermem_alloc_bo(self->vram, SIZE, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(ENODEV, peermem_share_bo(self->bo, &fd));
	EXPECT_EQ(NULL, peermem_next_bo(self->vram, &number));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, vt_driver_write(&driver, "bind"));
	/* The node may appear with a delay. */
	for (tries = 0; tries < 50 && access("/dev/peer_vram0", F_OK); tries++)
		usleep(100000);
}

/* All handles of the open file are in use. */
TEST_F_TIMEOUT(bo, too_many_handles, 180)
{
	struct peer_vram_lookup lookup = { .size = sizeof(lookup) };
	/* The number of the next descriptor, which the library opens. */
	int fd = dup(STDERR_FILENO), dmabuf;
	struct peermem_vram *vram;
	uint64_t number = 0;

	close(fd);
	vram = peermem_open_vram(NULL, O_RDWR);
	ASSERT_NE(NULL, vram);
	ASSERT_EQ(0, peermem_share_bo(self->bo, &dmabuf));
	lookup.addr = (uintptr_t)self->bo->addr;
	while (!ioctl(fd, PEER_VRAM_IOC_LOOKUP, &lookup))
		;
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NULL, peermem_alloc_bo(vram, SIZE, 0));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NULL, peermem_import_bo(vram, dmabuf));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NULL, peermem_find_bo(vram, self->bo->addr, NULL));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NULL, peermem_next_bo(vram, &number));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(0, close(dmabuf));
	EXPECT_EQ(0, peermem_close_vram(vram));
}

static void expect_too_many_files(struct __test_metadata *_metadata,
				  struct peermem_bo *bo, int error)
{
	int fd;

	EXPECT_EQ(NULL, peermem_open_vram(NULL, O_RDWR));
	EXPECT_EQ(error, errno);
	EXPECT_EQ(error, peermem_share_bo(bo, &fd));
}

TEST_F(bo, too_many_files)
{
	ASSERT_EQ(0, vt_deny_descriptors());
	expect_too_many_files(_metadata, self->bo, EMFILE);
	ASSERT_EQ(0, vt_allow_descriptors());
	ASSERT_EQ(0, vt_deny_files());
	expect_too_many_files(_metadata, self->bo, ENFILE);
	ASSERT_EQ(0, vt_allow_files());
}

/* malloc() fails. The compiler must not remove the calls. */
static void use_up_memory(void)
{
	static void *volatile last;

	do
		last = malloc(16);
	while (last);
}

/* Neither mmap() nor malloc() succeeds. */
TEST_F(bo, out_of_memory)
{
	struct rlimit all, none;
	uint64_t number = 0;
	int fd;

	ASSERT_EQ(0, peermem_share_bo(self->bo, &fd));
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &all));
	none = all;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &none));
	EXPECT_EQ(NULL, peermem_alloc_bo(self->vram, SIZE, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, peermem_import_bo(self->vram, fd));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, peermem_find_bo(self->vram, self->bo->addr, NULL));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, peermem_next_bo(self->vram, &number));
	EXPECT_EQ(ENOMEM, errno);
	use_up_memory();
	EXPECT_EQ(NULL, peermem_open_vram(NULL, O_RDWR));
	EXPECT_EQ(ENOMEM, errno);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &all));
	EXPECT_EQ(0, close(fd));
}

TEST_F(bo, invalid_arguments)
{
	EXPECT_EQ(NULL, peermem_alloc_bo(self->vram, 0, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, peermem_alloc_bo(self->vram, 1, 1 << 30));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, peermem_alloc_bo(self->vram, 1UL << 50, 0));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(NULL, peermem_import_bo(self->vram, -1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(NULL, peermem_import_bo(self->vram, STDERR_FILENO));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, peermem_free_bo(NULL));
	EXPECT_EQ(0, peermem_close_vram(NULL));
}

TEST_F(bo, device_names)
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

TEST_F(bo, open_requires_permission)
{
	struct stat node;

	ASSERT_EQ(0, stat("/dev/peer_vram0", &node));
	ASSERT_EQ(0, chmod("/dev/peer_vram0", 0600));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(NULL, peermem_open_vram(NULL, O_RDWR));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_EQ(0, chmod("/dev/peer_vram0", node.st_mode & 07777));
}

/* A read-only open permits mapping and queries only. */
TEST_F(bo, read_only)
{
	struct peermem_vram *vram = peermem_open_vram(NULL, O_RDONLY);
	struct peermem_bo *other;
	int fd;

	ASSERT_NE(NULL, vram);
	EXPECT_EQ(NULL, peermem_alloc_bo(vram, SIZE, 0));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, peermem_share_bo(self->bo, &fd));
	other = peermem_import_bo(vram, fd);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(0, close(fd));
	vt_pattern_fill(self->bo->addr, 3, 0, SIZE);
	EXPECT_EQ(0, memcmp(self->bo->addr, other->addr, SIZE));
	EXPECT_EQ(SIGSEGV, touch(other->addr));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, info_of(other).domain);
	EXPECT_EQ(EACCES, peermem_evict_bo(other));
	EXPECT_EQ(EACCES, peermem_share_bo(other, &fd));
	EXPECT_EQ(EACCES, peermem_revoke_bo(other));
	EXPECT_EQ(EACCES, peermem_destroy_bo(other));
	/* A handle of a writable file would allow writing. */
	EXPECT_EQ(NULL, peermem_find_bo(self->vram, other->addr, NULL));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, peermem_free_bo(other));
	EXPECT_EQ(0, peermem_close_vram(vram));
}

TEST_F(bo, vram_info)
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

/* Structs of programs with fewer and with more fields. */
TEST_F(bo, struct_sizes)
{
	struct {
		struct peermem_vram_info info;
		uint64_t more;
	} vram = { .more = 1 };
	struct {
		struct peermem_bo_info info;
		uint64_t more;
	} bo = { .more = 1 };

	EXPECT_EQ(EINVAL, peermem_query_vram(self->vram, &vram.info,
					     sizeof(vram.info) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, peermem_query_vram(self->vram, &vram.info, sizeof(vram)));
	EXPECT_LT(0, vram.info.size);
	EXPECT_EQ(0, vram.more);
	EXPECT_EQ(EINVAL, peermem_query_bo(self->bo, &bo.info,
					   sizeof(bo.info) - 1));
	EXPECT_EQ(0, peermem_query_bo(self->bo, &bo.info,
				      sizeof(bo)));
	EXPECT_EQ(SIZE, bo.info.length);
	EXPECT_EQ(0, bo.more);
}

TEST_HARNESS_MAIN
