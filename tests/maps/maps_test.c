// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of mappings of another driver: which entries allow them, which mappings are
 * denied, and data transfers. The memory is BAR 2 of a PCI device, mapped through
 * sysfs or through the device file of its driver.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "device.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define PAGE page_size()
#define SIZE (256 * 1024 + 5 * PAGE)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* ---- entries ---- */

FIXTURE(allow)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf host;
	struct vt_mem mem;
};

FIXTURE_VARIANT(allow)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(allow, resource) { .kind = &vt_mem_resource };
FIXTURE_VARIANT_ADD(allow, driver) { .kind = &vt_mem_driver };

FIXTURE_SETUP(allow)
{
	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->host, &self->dev, &vt_mem_host, PAGE,
				 NULL));
	vt_buf_fill(&self->host, 1);
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
}

FIXTURE_TEARDOWN(allow)
{
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_buf_close(&self->host));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, maps_reset());
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(allow) allow_t;

/* Registers a pinned MR. Return: 0 or errno. */
static int pin_errno(allow_t *self, int access)
{
	struct ibv_mr *mr = vt_reg_mem(self->dev.pd, &self->mem, 0, SIZE,
				       (uintptr_t)self->mem.addr, access);

	return mr ? vt_dereg_mem(&self->mem, mr) : errno;
}

/*
 * Registers an on-demand MR and accesses it. Return: the completion status of a
 * WRITE or READ, or -errno.
 */
static int access_status(allow_t *self, bool write)
{
	struct ibv_sge sge = vt_sge(&self->host, 0, 100);
	struct vt_remote there = { (uintptr_t)self->mem.addr + 100, 0 };
	struct ibv_mr *mr = vt_reg_mem(self->dev.pd, &self->mem, 0, SIZE,
				       (uintptr_t)self->mem.addr, ON_DEMAND);
	int status;

	if (!mr)
		return -errno;
	there.rkey = mr->rkey;
	if (write)
		status = vt_rdma_write(&self->pair.end[0], &sge, 1, there);
	else
		status = vt_rdma_read(&self->pair.end[0], &sge, 1, there);
	if (status > 0)
		vt_pair_renew(&self->pair);
	vt_dereg_mem(&self->mem, mr);
	return status;
}

#define EXPECT_DENIED() do {						\
	EXPECT_EQ(EFAULT, pin_errno(self, VT_ACCESS_ALL));		\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, true));	\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, false));	\
} while (0)

#define EXPECT_ALLOWED() do {						\
	EXPECT_EQ(0, pin_errno(self, VT_ACCESS_ALL));			\
	EXPECT_EQ(0, access_status(self, true));			\
	EXPECT_EQ(0, access_status(self, false));			\
} while (0)

TEST_F(allow, nothing_by_default)
{
	EXPECT_DENIED();
}

TEST_F(allow, by_file)
{
	ASSERT_EQ(0, maps_allow("file", maps_file(variant->kind)));
	EXPECT_ALLOWED();
	ASSERT_EQ(0, maps_forbid("file", maps_file(variant->kind)));
	EXPECT_DENIED();
}

/*
 * A BAR that is not prefetchable may have registers: only aligned words reach it. The
 * device is QEMU's "edu"; its first register identifies it.
 */
TEST_F(allow, registers)
{
	struct ibv_sge word = vt_sge(&self->host, 0, 4), half = vt_sge(&self->host, 0, 2);
	struct vt_end *end = &self->pair.end[0];
	struct vt_remote there;
	struct ibv_mr *mr;
	char path[PATH_MAX + 16];
	void *regs;
	int fd;

	/* The kernel refuses a mapping of a BAR that a driver uses. */
	if (vt_module_is_loaded("edu_rdma"))
		ASSERT_EQ(0, vt_rmmod("edu_rdma"));
	ASSERT_EQ(0, maps_find_device("0x1234", "0x11e8", path, PATH_MAX));
	strcat(path, "/resource0");
	ASSERT_EQ(0, maps_allow("file", path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	regs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, regs);
	mr = ibv_reg_mr(self->dev.pd, regs, PAGE, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	there = (struct vt_remote){ (uintptr_t)regs, mr->rkey };
	EXPECT_EQ(0, vt_rdma_read(end, &word, 1, there));
	EXPECT_EQ(0x010000ed, *(uint32_t *)self->host.mem.addr);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, vt_rdma_read(end, &half, 1, there));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(regs, PAGE);
	close(fd);
	vt_buf_fill(&self->host, 1);
}

TEST_F(allow, by_driver)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	EXPECT_ALLOWED();
	ASSERT_EQ(0, maps_forbid("driver", "peer_test_maps"));
	EXPECT_DENIED();
}

TEST_F(allow, unrelated_entries)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_vram"));
	ASSERT_EQ(0, maps_allow("file", maps_sysfs_path("resource0")));
	/* The file exists only if the CPU supports write combining. */
	if (!access(maps_sysfs_path("resource2_wc"), F_OK))
		ASSERT_EQ(0, maps_allow("file", maps_sysfs_path("resource2_wc")));
	ASSERT_EQ(0, maps_allow("file", "/dev/zero"));
	EXPECT_DENIED();
}

/* An entry refers to the file that the path named when it was written. */
TEST_F(allow, by_symlink)
{
	char path[32] = "/tmp/mapsXXXXXX";

	ASSERT_TRUE(mkdtemp(path));
	strcat(path, "/x");
	ASSERT_EQ(0, symlink(maps_file(variant->kind), path));
	ASSERT_EQ(0, maps_allow("file", path));
	ASSERT_EQ(0, unlink(path));
	ASSERT_EQ(0, symlink("/dev/zero", path));
	EXPECT_ALLOWED();
	ASSERT_EQ(0, maps_allow("file", path));
	EXPECT_DENIED();
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

/* Without a driver, the file in sysfs can be allowed, but not the driver. */
TEST_F(allow, no_driver)
{
	ASSERT_EQ(0, maps_bind(NULL));
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	EXPECT_DENIED();
	ASSERT_EQ(0, maps_allow("file", maps_file(variant->kind)));
	if (variant->kind == &vt_mem_resource)
		EXPECT_ALLOWED();
	else
		EXPECT_DENIED();
}

TEST_F(allow, invalid_entries)
{
	EXPECT_EQ(-EINVAL, maps_allow("driver", "two words"));
	EXPECT_EQ(-EINVAL, maps_allow("driver", ""));
	EXPECT_EQ(-EINVAL, maps_allow("directory", "/dev"));
	EXPECT_EQ(-EINVAL, maps_allow("file", "/dev"));
	EXPECT_EQ(-EINVAL, maps_allow("file", "dev/zero"));
	EXPECT_EQ(-ENOENT, maps_allow("file", "/dev/there_is_no_such_file"));
	EXPECT_EQ(-ENOENT, maps_forbid("driver", "peer_test_maps"));
	EXPECT_DENIED();
}

TEST_F(allow, read_only_mapping)
{
	ASSERT_EQ(0, maps_allow("file", maps_file(variant->kind)));
	ASSERT_EQ(0, mprotect(self->mem.addr, SIZE, PROT_READ));
	EXPECT_EQ(EACCES, pin_errno(self, VT_ACCESS_ALL));
	EXPECT_EQ(0, pin_errno(self, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, true));
	EXPECT_EQ(0, access_status(self, false));
	/* One read-only page in the range is enough to deny it. */
	ASSERT_EQ(0, mprotect(self->mem.addr, SIZE - PAGE,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, pin_errno(self, VT_ACCESS_ALL));
	ASSERT_EQ(0, mprotect(self->mem.addr, SIZE, PROT_NONE));
	EXPECT_EQ(EACCES, pin_errno(self, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, false));
}

/*
 * Writes to a private mapping would not reach the device. The driver does not
 * support private mappings.
 */
TEST_F(allow, private_mapping)
{
	int fd = open(maps_file(variant->kind), O_RDWR | O_CLOEXEC);
	void *addr;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, maps_allow("file", maps_file(variant->kind)));
	addr = mmap(self->mem.addr, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0);
	close(fd);
	if (variant->kind == &vt_mem_driver) {
		ASSERT_EQ(MAP_FAILED, addr);
		return;
	}
	ASSERT_EQ(self->mem.addr, addr);
	EXPECT_EQ(EACCES, pin_errno(self, VT_ACCESS_ALL));
	EXPECT_EQ(EACCES, pin_errno(self, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, true));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, access_status(self, false));
}

/*
 * The range as a whole has no exporter, with any permissions of its parts. An
 * on-demand MR can access the parts.
 */
#define EXPECT_NOT_PINNABLE() do {					\
	EXPECT_EQ(EFAULT, pin_errno(self, VT_ACCESS_ALL));		\
	ASSERT_EQ(0, mprotect(self->mem.addr, PAGE, PROT_READ));	\
	EXPECT_EQ(EFAULT, pin_errno(self, VT_ACCESS_ALL));		\
	ASSERT_EQ(0, mprotect(self->mem.addr, PAGE,			\
			      PROT_READ | PROT_WRITE));			\
	EXPECT_EQ(0, access_status(self, true));			\
} while (0)

static void allow_all(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_allow("file", MAPS_NODE));
	ASSERT_EQ(0, maps_allow("file", maps_sysfs_path("resource2")));
}

TEST_F(allow, hole)
{
	allow_all(_metadata);
	ASSERT_EQ(0, munmap(self->mem.addr + 2 * PAGE, PAGE));
	EXPECT_NOT_PINNABLE();
}

TEST_F(allow, hole_at_the_end)
{
	allow_all(_metadata);
	ASSERT_EQ(0, munmap(self->mem.addr + SIZE - PAGE, PAGE));
	EXPECT_NOT_PINNABLE();
}

TEST_F(allow, mixed_ranges)
{
	const char *other = maps_file(variant->kind == &vt_mem_driver ?
				     &vt_mem_resource : &vt_mem_driver);
	uint8_t *at = self->mem.addr + 2 * PAGE;
	int fd;

	allow_all(_metadata);
	ASSERT_EQ(at, mmap(at, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_NOT_PINNABLE();
	fd = open(other, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(at, mmap(at, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, fd, 0));
	close(fd);
	EXPECT_NOT_PINNABLE();
}

/* The core asks peer_maps last, even if another exporter registers later. */
TEST(exporters_come_first)
{
	static const char *const argv[] = { "modprobe", "peer_vram", NULL };
	struct vt_counters theirs[2], ours[2];
	struct vt_dev dev;
	struct vt_buf buf;

	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, vt_rmmod("peer_vram"));
	ASSERT_EQ(0, vt_run(60000, argv));
	ASSERT_EQ(0, maps_bind("peer_vram"));
	ASSERT_EQ(0, maps_allow("driver", "peer_vram"));
	ASSERT_EQ(0, maps_allow("file", "/dev/peer_vram0"));
	ASSERT_EQ(0, vt_dev_open(&dev));
	ASSERT_EQ(0, vt_counters_read(&vt_mem_vram, &theirs[0]));
	ASSERT_EQ(0, vt_counters_read(&vt_mem_resource, &ours[0]));
	ASSERT_EQ(0, vt_buf_open(&buf, &dev, &vt_mem_vram, SIZE, NULL));
	ASSERT_EQ(0, vt_counters_read(&vt_mem_vram, &theirs[1]));
	ASSERT_EQ(0, vt_counters_read(&vt_mem_resource, &ours[1]));
	EXPECT_EQ(theirs[0].alloc_mrs + 1, theirs[1].alloc_mrs);
	EXPECT_EQ(ours[0].alloc_mrs, ours[1].alloc_mrs);
	EXPECT_EQ(0, vt_buf_close(&buf));
	vt_dev_close(&dev);
	EXPECT_EQ(0, maps_reset());
}

/*
 * If an exporter denies a range, peer_maps is not asked. This also applies to a
 * range of two BOs, one of which cannot be exported.
 */
TEST(denial_is_final)
{
	struct vt_mem good, not_exportable;
	uint8_t *room;
	struct vt_dev dev;

	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, maps_bind("peer_vram"));
	ASSERT_EQ(0, maps_allow("driver", "peer_vram"));
	ASSERT_EQ(0, maps_allow("file", "/dev/peer_vram0"));
	ASSERT_EQ(0, vt_dev_open(&dev));
	ASSERT_EQ(0, vt_mem_alloc(&good, &vt_mem_vram_named, SIZE, 0));
	ASSERT_EQ(0, vt_mem_alloc(&not_exportable, &vt_mem_vram_named, SIZE,
				  VT_MEM_NO_EXPORT));
	room = mmap(NULL, 3 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, (void *)room);
	ASSERT_EQ(room, mremap(good.addr, SIZE, SIZE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, room));
	ASSERT_EQ(room + SIZE, mremap(not_exportable.addr, SIZE, SIZE,
				      MREMAP_MAYMOVE | MREMAP_FIXED,
				      room + SIZE));
	memset(room, 1, 2 * SIZE);
	EXPECT_EQ(0, vt_reg_errno(&dev, room, SIZE, 7));
	EXPECT_EQ(EACCES, vt_reg_errno(&dev, room + SIZE, SIZE, 7));
	EXPECT_EQ(EFAULT, vt_reg_errno(&dev, room, 2 * SIZE, 7));
	/* A range of a BO that cannot be exported, and of unmapped memory. */
	EXPECT_EQ(EFAULT, vt_reg_errno(&dev, room + SIZE, 2 * SIZE, 7));
	good.addr = room;
	not_exportable.addr = room + SIZE;
	vt_mem_free(&good);
	vt_mem_free(&not_exportable);
	munmap(room, 3 * SIZE);
	vt_dev_close(&dev);
	EXPECT_EQ(0, maps_reset());
}

/* ---- data transfers ---- */

FIXTURE(data)
{
	VT_LINK;
};

VT_VARIANTS(data);
VT_PINNED(data, resource);
VT_ON_DEMAND(data, resource);
VT_ON_DEMAND(data, driver);

FIXTURE_SETUP(data)
{
	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_link_open(&self->link, variant->kind, SIZE,
				    VT_ACCESS_ALL | variant->on_demand));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->there, 3));
}

FIXTURE_TEARDOWN(data)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, maps_reset());
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(data) data_t;

static void run_copies(struct __test_metadata *_metadata, data_t *self,
		       vt_copy_fn copy, bool to_there)
{
	const struct {
		uint64_t here, there;
		uint32_t length;
	} copies[] = {
		{ 0, 0, SIZE }, { 1, 0, 1 }, { 4093, 7, 4099 }, { 64, 4095, 2 },
		{ 3, SIZE / 2 - 20000, 40000 }, { 12345, 54321, 100001 },
		{ 8, SIZE - 8, 8 },
	};
	struct vt_buf *from = to_there ? &self->here : &self->there;
	struct vt_buf *to = to_there ? &self->there : &self->here;
	size_t i;

	for (i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		uint64_t here = copies[i].here, there = copies[i].there;
		uint32_t length = copies[i].length;

		if (length > SIZE - (here > there ? here : there))
			length = SIZE - (here > there ? here : there);
		ASSERT_EQ(0, copy(&self->pair, to, to_there ? there : here,
				  from, to_there ? here : there, length)) {
			TH_LOG("copy %zu", i);
		}
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F(data, write)
{
	run_copies(_metadata, self, vt_copy_by_write, true);
}

TEST_F(data, read)
{
	run_copies(_metadata, self, vt_copy_by_read, false);
}

/* The device memory is the local buffer of the requester. */
TEST_F(data, local)
{
	run_copies(_metadata, self, vt_copy_by_read, true);
	run_copies(_metadata, self, vt_copy_by_write, false);
}

TEST_F(data, atomics)
{
	struct ibv_sge sge = vt_sge(&self->here, 16, 8);
	struct vt_remote at = vt_remote(&self->there, 4096);
	uint64_t *word = (uint64_t *)(self->there.shadow + 4096);
	uint64_t old = *word;

	ASSERT_EQ(0, vt_fetch_add(&self->pair.end[0], &sge, at, 77));
	*word += 77;
	EXPECT_EQ(old, *(uint64_t *)(self->here.mem.addr + 16));
	ASSERT_EQ(0, vt_cmp_swap(&self->pair.end[0], &sge, at, old + 77, 99));
	*word = 99;
	ASSERT_EQ(0, vt_atomic_write(&self->pair.end[0],
				     vt_remote(&self->there, 4104), 1234));
	word[1] = 1234;
	EXPECT_EQ(0, vt_buf_check(&self->there, 4096, 16));
}

TEST_HARNESS_MAIN
