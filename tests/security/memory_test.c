// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How much memory of the machine a user without privileges can use. Pinned
 * memory counts against RLIMIT_MEMLOCK. Kernel memory is charged to the user's
 * memory cgroup. Everything else has its own limit.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "applies.h"
#include "../vram/vram.h"
#include "lib/buf.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "user.h"

#define READING IBV_ACCESS_REMOTE_READ

/* ---- pinned memory ---- */

#define LIMIT MIB

FIXTURE(pinning)
{
	struct vt_dev dev;
	struct vt_mem mem;
};

FIXTURE_SETUP(pinning)
{
	struct rlimit limit = { LIMIT, 4 * LIMIT };

	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram_named, 2 * LIMIT, 0));
	ASSERT_EQ(0, vt_status_kib("VmPin"));
}

FIXTURE_TEARDOWN(pinning)
{
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_F(pinning, charged_until_deregistration)
{
	struct ibv_mr *mr[16];
	int i;

	/* Each MR counts, also if another MR has the same pages. */
	for (i = 0; i < 16; i++) {
		mr[i] = ibv_reg_mr(self->dev.pd, self->mem.addr, LIMIT / 16,
				   READING);
		ASSERT_NE(NULL, mr[i]);
		EXPECT_EQ((long)(LIMIT / 16 / KIB * (i + 1)),
			  vt_status_kib("VmPin"));
	}
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr, 1, READING));
	EXPECT_EQ(ENOMEM, errno);
	/* System memory counts against the same limit. */
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, &self->dev, 1, READING));
	EXPECT_EQ(ENOMEM, errno);

	/* A destroyed BO is charged until its MR is deregistered. */
	ASSERT_EQ(0, vt_mem_destroy(&self->mem));
	EXPECT_EQ((long)(LIMIT / KIB), vt_status_kib("VmPin"));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(0, ibv_dereg_mr(mr[i]));
}

/* A failed registration uncharges everything. */
TEST_F(pinning, uncharged_on_failure)
{
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr, 2 * LIMIT,
				   READING));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, vt_status_kib("VmPin"));
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr, 0, READING));
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr,
				   SIZE_MAX - PAGE, READING));
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr,
				   1UL << 62, READING));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
	munmap(self->mem.addr + PAGE, PAGE);
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr, 3 * PAGE,
				   READING));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
}

TEST_F(pinning, limit_zero)
{
	struct rlimit limit = { 0, 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->mem.addr, 1, READING));
	EXPECT_EQ(EPERM, errno);
}

/* A child inherits the descriptors, but the parent stays charged. */
TEST_F(pinning, deregistered_by_child)
{
	struct ibv_mr *mr = ibv_reg_mr(self->dev.pd, self->mem.addr, LIMIT,
				       READING);
	pid_t pid;

	ASSERT_NE(NULL, mr);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (vt_status_kib("VmPin"))
			_exit(1);
		if (ibv_dereg_mr(mr))
			_exit(2);
		_exit(vt_status_kib("VmPin") ? 3 : 0);
	}
	EXPECT_EQ(0, vt_wait_child(pid, 10000));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, LIMIT, READING);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

#define PART (2048 * KIB)
#define PARTS 256

/* An MR of one page keeps the part of its BO in VRAM. */
TEST_F(pinning, vram_pin_limit)
{
	static struct vt_mem mem[PARTS];
	static struct ibv_mr *mr[PARTS];
	struct vt_vram_info info;
	size_t pinned = 0;
	int i;

	for (i = 0; i < PARTS; i++) {
		ASSERT_EQ(0, vt_mem_alloc(&mem[i], &vt_mem_vram_named, PART, 0));
		mr[i] = ibv_reg_mr(self->dev.pd, mem[i].addr, PAGE, READING);
		if (!mr[i])
			break;
		pinned++;
	}
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(0, vt_vram_info(&info));
	EXPECT_EQ(info.size / 4 * 3 / PART, pinned);
	EXPECT_EQ(pinned * PART, info.pinned);
	for (; i >= 0; i--) {
		if (mr[i])
			EXPECT_EQ(0, ibv_dereg_mr(mr[i]));
		vt_mem_free(&mem[i]);
	}
}

/* ---- charged kernel memory ---- */

#define GROUPS "/tmp/cgroup"
#define GROUP GROUPS "/user"
/*
 * The counter of a group is ahead of its memory by up to 64 pages for each processor. The
 * tables need much more than that, whatever the size of a page.
 */
#define NUM_PAGES (32768 * (PAGE / (4 * KIB)))
#define RANGE (NUM_PAGES * PAGE)
#define MRS 8
/* Nodes of 576 bytes with 64 entries each; 10 % less to allow for rounding. */
#define TABLE (NUM_PAGES / 64 * 576 / 10 * 9)

FIXTURE(charged)
{
	struct vt_dev dev;
};

FIXTURE_VARIANT(charged)
{
	uint32_t flags;
};

/* Faults by the process itself, and by kernel threads. */
FIXTURE_VARIANT_ADD(charged, synchronous) { .flags = IBV_ADVISE_MR_FLAG_FLUSH };
FIXTURE_VARIANT_ADD(charged, asynchronous) { .flags = 0 };

static int enter_group(void)
{
	mkdir(GROUPS, 0755);
	if (mount("cgroup2", GROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		return -errno;
	if (vt_write_file(GROUPS "/cgroup.subtree_control", "+memory"))
		return -EOPNOTSUPP;
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return -errno;
	return vt_write_file(GROUP "/cgroup.procs", "0");
}

static int64_t group_bytes(void)
{
	FILE *file = fopen(GROUP "/memory.current", "re");
	long long bytes = -1;

	if (file && fscanf(file, "%lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

/* Return: whether the group reaches @bytes in time. */
static bool grows_to(int64_t bytes)
{
	int64_t until = vt_now_ms() + 20000;

	while (group_bytes() < bytes && vt_now_ms() < until)
		usleep(10000);
	return group_bytes() >= bytes;
}

static bool shrinks_to(int64_t bytes)
{
	int64_t until = vt_now_ms() + 20000;

	while (group_bytes() > bytes && vt_now_ms() < until)
		usleep(10000);
	return group_bytes() <= bytes;
}

FIXTURE_SETUP(charged)
{
	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, enter_group());
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
}

FIXTURE_TEARDOWN(charged)
{
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vram_wait_empty(10));
}

/*
 * Memory that was never written costs the user nothing, but each MR has its own
 * page table.
 */
TEST_F_TIMEOUT(charged, page_tables, 120)
{
	struct ibv_sge sge = { .length = RANGE };
	struct ibv_mr *mr[MRS];
	int64_t before;
	uint8_t *addr;
	int i;

	addr = mmap(NULL, RANGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_EQ(0, madvise(addr, RANGE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(addr, RANGE, MADV_POPULATE_READ));
	sge.addr = (uintptr_t)addr;
	before = group_bytes();
	ASSERT_LT(0, before);
	for (i = 0; i < MRS; i++) {
		mr[i] = ibv_reg_mr(self->dev.pd, addr, RANGE, READING |
				   IBV_ACCESS_ON_DEMAND);
		ASSERT_NE(NULL, mr[i]);
		sge.lkey = mr[i]->lkey;
		ASSERT_EQ(0, vt_advise_mr(self->dev.pd,
					  IBV_ADVISE_MR_ADVICE_PREFETCH,
					  variant->flags, &sge, 1));
	}
	EXPECT_TRUE(grows_to(before + MRS * TABLE));
	for (i = 0; i < MRS; i++)
		EXPECT_EQ(0, ibv_dereg_mr(mr[i]));
	EXPECT_TRUE(shrinks_to(before + MRS * TABLE / 2));
	munmap(addr, RANGE);
}

/* Takes as many handles of one BO as the file may have. Return: number; -errno */
static int fill_with_handles(int fd, void *addr)
{
	uint32_t handle;
	int n, ret;

	for (n = 0; n < 100000; n++) {
		ret = vram_lookup(fd, addr, &handle, NULL);
		if (ret)
			return ret == -EMFILE ? n : ret;
	}
	return n;
}

/*
 * The number of handles of a file is limited, and they are charged: a node for each 64.
 * The counter is ahead by up to 64 pages for each processor, so larger pages take more
 * files.
 */
TEST_F_TIMEOUT(charged, handles, 120)
{
	enum { HANDLES = 65536, NODE = 576 };
	int files = PAGE / 4096, fd[16], i;
	int64_t before;
	void *addr;

	if (!variant->flags)
		DOES_NOT_APPLY(return, "kernel threads create no handles");
	ASSERT_GE(16, files);
	for (i = 0; i < files; i++) {
		fd[i] = vram_open(O_RDWR);
		ASSERT_LE(0, fd[i]);
	}
	addr = vram_map(fd[0], 0, PAGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, addr);
	before = group_bytes();
	for (i = 0; i < files; i++)
		EXPECT_EQ(HANDLES, fill_with_handles(fd[i], addr));
	EXPECT_LE(before + files * HANDLES / 64 * NODE / 2, group_bytes());
	munmap(addr, PAGE);
	for (i = 0; i < files; i++)
		close(fd[i]);
}

/* The number of MRs is not limited, but they are charged. */
TEST_F_TIMEOUT(charged, mrs, 120)
{
	static struct ibv_mr *mr[1500];
	int64_t before;
	struct vt_mem mem;
	int i;

	if (!variant->flags)
		DOES_NOT_APPLY(return, "same as the other variant");
	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_named, PAGE, 0));
	before = group_bytes();
	for (i = 0; i < 1500; i++) {
		mr[i] = ibv_reg_mr(self->dev.pd, mem.addr, PAGE, READING);
		ASSERT_NE(NULL, mr[i]);
	}
	/*
	 * For each: the MR, the umem, the region, the exporter's data, a node.
	 */
	EXPECT_LE(before + 1500 * 1000, group_bytes());
	for (i = 0; i < 1500; i++)
		EXPECT_EQ(0, ibv_dereg_mr(mr[i]));
	vt_mem_free(&mem);
}

/* ---- limits ---- */

/* The limit covers all BOs, in any domain, by their size in VRAM. */
TEST(bo_limit)
{
	struct peer_vram_info before, after;
	uint32_t handle;
	int fd, i;

	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	fd = vram_open(O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vram_info(fd, &before));
	for (i = 0; i < 32; i++)
		ASSERT_EQ(0, vram_create(fd, 1, i % 2 ? PEER_VRAM_CREATE_SYSTEM : 0,
					 &handle));
	ASSERT_EQ(0, vram_info(fd, &after));
	EXPECT_EQ(before.creatable - 32 * before.block_size, after.creatable);
	for (i = 0; i < 100000; i++)
		if (vram_create(fd, after.vram_size, PEER_VRAM_CREATE_SYSTEM,
				&handle))
			break;
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(after.creatable / after.vram_size, (uint64_t)i);
	EXPECT_EQ(-E2BIG, vram_create(fd, after.vram_size + 1,
				      PEER_VRAM_CREATE_SYSTEM, &handle));
	EXPECT_EQ(-E2BIG, vram_create(fd, UINT64_MAX, 0, &handle));
	close(fd);
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_HARNESS_MAIN
