// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A BO that a user has received read-only cannot be written in any way: not by
 * the CPU, through an MR of any kind, through debugger interfaces, or by
 * ioctls.
 *
 * The user has a descriptor of the device file that was opened read-only, a
 * handle of the BO, and a mapping of it. The owner has passed both.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../vram/vram.h"
#include "lib/buf.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "user.h"

#define SIZE (256 * KIB)
#define SEED 7
#define REMOTE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)
#define READING IBV_ACCESS_REMOTE_READ

FIXTURE(readonly)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *whole;		/* mapping of the owner */
	uint8_t *addr;		/* mapping of the user */
	int owner;
	int fd;
	uint32_t owner_handle;
	uint32_t handle;
};

typedef FIXTURE_DATA(readonly) readonly_t;

FIXTURE_SETUP(readonly)
{
	int share;

	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	self->owner = vram_open(O_RDWR);
	ASSERT_LE(0, self->owner);
	self->whole = vram_make_filled(self->owner, SIZE, 0, SEED,
				       &self->owner_handle);
	ASSERT_NE(NULL, self->whole);

	self->fd = vram_open(O_RDONLY);
	ASSERT_LE(0, self->fd);
	share = vram_share(self->owner, self->owner_handle);
	ASSERT_LE(0, share);
	ASSERT_EQ(0, vram_import(self->fd, share, &self->handle));
	close(share);
	self->addr = vram_map(self->fd, self->handle, SIZE, PROT_READ);
	ASSERT_NE(NULL, self->addr);

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, PAGE,
				 NULL));
	vt_buf_fill(&self->local, 1);
}

/* The owner's data is unchanged after every attempt. */
FIXTURE_TEARDOWN(readonly)
{
	EXPECT_EQ(-1, pattern_check(self->whole, SIZE, SEED, 0));
	EXPECT_EQ(-1, pattern_check(self->addr, SIZE, SEED, 0));
	vt_buf_close(&self->local);
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	munmap(self->addr, SIZE);
	munmap(self->whole, SIZE);
	close(self->fd);
	close(self->owner);
	EXPECT_EQ(0, vram_wait_empty(10));
}

/* ---- the CPU ---- */

TEST_F(readonly, mapping)
{
	void *addr;

	EXPECT_EQ(SIGSEGV, touch_write(self->addr));
	EXPECT_EQ(-1, mprotect(self->addr, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(NULL, vram_map(self->fd, self->handle, SIZE,
				 PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	/* The device does not support private mappings. */
	addr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd,
		    0);
	EXPECT_EQ(MAP_FAILED, addr);
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(readonly, ioctls)
{
	struct peer_vram_query query;
	uint64_t word = 0;
	uint32_t handle;
	int rdwr;

	EXPECT_EQ(0, vram_read(self->fd, self->handle, 0, &word, 8));
	EXPECT_EQ(pattern_word(SEED, 0), word);
	EXPECT_EQ(0, vram_query(self->fd, self->handle, &query));
	EXPECT_EQ(-EACCES, vram_write(self->fd, self->handle, 0, &word, 8));
	EXPECT_EQ(-EACCES, vram_move(self->fd, self->handle,
				     PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(-EACCES, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(-EACCES, vram_revoke(self->fd, self->handle));
	/*
	 * There is no shared descriptor that a writable device file could
	 * import.
	 */
	EXPECT_EQ(-EACCES, vram_share(self->fd, self->handle));
	/* A writable device file does not look up the BO by address. */
	rdwr = vram_open(O_RDWR);
	ASSERT_LE(0, rdwr);
	EXPECT_EQ(-EACCES, vram_lookup(rdwr, self->addr, &handle, NULL));
	close(rdwr);
}

/* The device file cannot be opened write-only. */
TEST_F(readonly, write_only_open)
{
	EXPECT_EQ(-EACCES, vram_open(O_WRONLY));
}

/* A device file that is opened again through /proc/self/fd has no handles. */
TEST_F(readonly, reopened)
{
	struct peer_vram_query query;
	uint64_t offset;
	char path[64];
	int fd;

	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	offset = query.mmap_offset;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOENT, vram_query(fd, self->handle, &query));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_WRITE | PROT_READ,
				   MAP_SHARED, fd, offset));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

/* ---- debugger interfaces ---- */

/*
 * These override the access rights of private mappings, and must not do so
 * here.
 */
TEST_F(readonly, proc_mem)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint64_t two[2];
	uint64_t word = 0;

	ASSERT_LE(0, fd);
	EXPECT_EQ(8, pread(fd, &word, 8, (off_t)(uintptr_t)self->addr));
	EXPECT_EQ(pattern_word(SEED, 0), word);
	EXPECT_EQ(-1, pwrite(fd, "12345678", 8, (off_t)(uintptr_t)self->addr));
	/* The read ends at the end of the mapping. */
	ASSERT_EQ(0, munmap(self->addr + SIZE / 2, SIZE / 2));
	EXPECT_EQ(8, pread(fd, two, 16,
			   (off_t)(uintptr_t)self->addr + SIZE / 2 - 8));
	munmap(self->addr, SIZE / 2);
	self->addr = vram_map(self->fd, self->handle, SIZE, PROT_READ);
	ASSERT_NE(NULL, self->addr);
	/* A writable mapping can be written this way. */
	EXPECT_EQ(8, pwrite(fd, &word, 8, (off_t)(uintptr_t)self->whole));
	/* mprotect() revokes that right. */
	ASSERT_EQ(0, mprotect(self->whole, SIZE, PROT_READ));
	EXPECT_EQ(-1, pwrite(fd, "12345678", 8, (off_t)(uintptr_t)self->whole));
	ASSERT_EQ(0, mprotect(self->whole, SIZE, PROT_READ | PROT_WRITE));
	close(fd);
}

TEST_F(readonly, ptrace)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	errno = 0;
	EXPECT_EQ((long)pattern_word(SEED, 1),
		  ptrace(PTRACE_PEEKDATA, pid, self->addr + 8, 0));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, self->addr + 8, 1));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST_F(readonly, process_vm)
{
	struct iovec from = { .iov_base = "12345678", .iov_len = 8 };
	struct iovec to = { .iov_base = self->addr, .iov_len = 8 };

	EXPECT_EQ(-1, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
}

/* ---- MRs ---- */

/* Tries to write by RDMA and atomics. All fail, as requester and responder. */
static int count_writes(readonly_t *self, struct ibv_mr *mr)
{
	struct vt_remote at = { (uintptr_t)self->addr, mr->rkey };
	struct ibv_sge sge = vt_sge(&self->local, 0, 64);
	struct ibv_sge result = vt_sge(&self->local, 0, 8);
	struct ibv_sge into = { (uintptr_t)self->addr, 64, mr->lkey };
	int done = 0;

	done += !vt_rdma_write(&self->pair.end[0], &sge, 1, at);
	vt_pair_renew(&self->pair);
	done += !vt_fetch_add(&self->pair.end[0], &result, at, 1);
	vt_pair_renew(&self->pair);
	done += !vt_cmp_swap(&self->pair.end[0], &result, at,
			     pattern_word(SEED, 0), 1);
	vt_pair_renew(&self->pair);
	done += !vt_atomic_write(&self->pair.end[0], at, 1);
	vt_pair_renew(&self->pair);
	/* An RDMA READ from elsewhere writes here. */
	done += !vt_rdma_read(&self->pair.end[0], &into, 1,
			      vt_remote(&self->local, 0));
	vt_pair_renew(&self->pair);
	return done;
}

static int read_back(readonly_t *self, struct ibv_mr *mr)
{
	struct vt_remote at = { (uintptr_t)self->addr, mr->rkey };
	struct ibv_sge sge = vt_sge(&self->local, 0, 64);
	int ret = vt_rdma_read(&self->pair.end[0], &sge, 1, at);

	if (!ret && pattern_check(self->local.mem.addr, 64, SEED, 0) >= 0)
		ret = -EILSEQ;
	return ret;
}

TEST_F_TIMEOUT(readonly, pinned, 120)
{
	struct ibv_mr *mr;

	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->addr, SIZE,
				   IBV_ACCESS_LOCAL_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->addr, SIZE, REMOTE));
	EXPECT_EQ(EACCES, errno);

	mr = ibv_reg_mr(self->dev.pd, self->addr, SIZE, READING);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_back(self, mr));
	EXPECT_EQ(-EACCES, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				       REMOTE));
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* An on-demand MR can have any access flags, but writes still fail. */
TEST_F_TIMEOUT(readonly, on_demand, 120)
{
	int access = REMOTE | IBV_ACCESS_ON_DEMAND;
	struct ibv_sge sge = { (uintptr_t)self->addr, PAGE, 0 };
	struct ibv_mr *mr;

	mr = ibv_reg_mr(self->dev.pd, self->addr, SIZE, access);
	ASSERT_NE(NULL, mr);
	sge.lkey = mr->lkey;
	EXPECT_NE(0, vt_advise_mr(self->dev.pd,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(0, count_writes(self, mr));
	/* Its pages are now present read-only. */
	EXPECT_EQ(0, read_back(self, mr));
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));

	mr = ibv_reg_mr(self->dev.pd, self->addr, SIZE,
			READING | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_back(self, mr));
	EXPECT_EQ(0, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, access));
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* An implicit MR does not allow writes, either. */
TEST_F_TIMEOUT(readonly, implicit, 120)
{
	struct ibv_mr *mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX,
				       REMOTE | IBV_ACCESS_ON_DEMAND);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, read_back(self, mr));
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* mprotect() revokes the write access of on-demand MRs immediately. */
TEST_F_TIMEOUT(readonly, mprotect, 120)
{
	uint8_t *addr = self->addr;
	struct ibv_mr *mr;

	mr = ibv_reg_mr(self->dev.pd, self->whole, SIZE,
			REMOTE | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	self->addr = self->whole;
	vt_buf_fill(&self->local, 2);
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0],
				   &(struct ibv_sge){
					(uintptr_t)self->local.mem.addr, 64,
					self->local.mr->lkey }, 1,
				   (struct vt_remote){ (uintptr_t)self->whole,
						       mr->rkey }));
	pattern_fill(self->whole, 64, SEED, 0);
	ASSERT_EQ(0, mprotect(self->whole, SIZE, PROT_READ));
	EXPECT_EQ(0, count_writes(self, mr));
	EXPECT_EQ(0, read_back(self, mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	self->addr = addr;
}

TEST_HARNESS_MAIN
