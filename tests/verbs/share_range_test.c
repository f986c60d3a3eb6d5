// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Ranges of device memory that another process exported as dma-bufs: access to them,
 * and what ends it. dmabuf_test.c tests what holds for all dma-bufs.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <rdma/peer_mem.h>
#include <rdma/peer_vram.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/file_limit.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define SIZE (3 * 1024 * 1024)
#define BOUND_MS 60000

/* ---- the exporting process ---- */

/*
 * Executes commands of one letter. The reply is one byte, 0 for success.
 *   c  compare with what the importer wrote, through the mapping and the exporter
 *   u  unmap the last page
 *   m  map ordinary memory over the first page
 *   h  check that this page is still zero
 *   p  make the mapping read-only
 *   P  make the mapping writable
 *   r  let the exporter revoke the memory
 */
static int exporter_do(char command, struct vt_buf *buf)
{
	static const uint8_t zero[MAX_PAGE_SIZE];
	uint8_t *addr = buf->mem.addr;

	switch (command) {
	case 'c':
		vt_pattern_fill(buf->shadow, 1, 0, SIZE);
		return vt_buf_check_all(buf);
	case 'u':
		return munmap(addr + SIZE - PAGE, PAGE);
	case 'm':
		return mmap(addr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_FIXED, -1, 0) != addr;
	case 'h':
		return memcmp(addr, zero, PAGE);
	case 'p':
		return mprotect(addr, SIZE, PROT_READ);
	case 'P':
		return mprotect(addr, SIZE, PROT_READ | PROT_WRITE);
	case 'r':
		return vt_mem_revoke(&buf->mem);
	}
	return 1;
}

static void exporter(int socket, const struct vt_mem_kind *kind)
{
	struct vt_buf buf = { .shadow = calloc(1, SIZE) };
	char command, answer;
	int fd;

	if (!buf.shadow || vt_mem_alloc(&buf.mem, kind, SIZE, 0))
		_exit(1);
	fd = vt_export(buf.mem.addr, SIZE, PEER_MEM_EXPORT_WRITE);
	if (fd < 0 || vt_send_fd(socket, fd))
		_exit(2);
	close(fd);
	while (read(socket, &command, 1) == 1) {
		answer = !!exporter_do(command, &buf);
		if (write(socket, &answer, 1) != 1)
			_exit(3);
	}
	_exit(0);
}

/* ---- the importing process ---- */

FIXTURE(export)
{
	pid_t exporter;
	int socket;
	int fd;
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf here;
	struct ibv_mr mr;
};

/* @keeps_module: a mapping prevents unloading of the exporter's module */
FIXTURE_VARIANT(export)
{
	const struct vt_mem_kind *kind;
	bool keeps_module;
};

FIXTURE_VARIANT_ADD(export, vram) { .kind = &vt_mem_vram, .keeps_module = true };
FIXTURE_VARIANT_ADD(export, cmb) { .kind = &vt_mem_cmb, .keeps_module = true };
FIXTURE_VARIANT_ADD(export, peerdirect) { .kind = &vt_mem_peerdirect };

FIXTURE_SETUP(export)
{
	static const struct vt_pair_opts opts = {
		.mtu = IBV_MTU_4096, .timeout = 18,
	};
	int sockets[2];

	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	self->exporter = fork();
	if (!self->exporter) {
		close(sockets[0]);
		exporter(sockets[1], variant->kind);
	}
	close(sockets[1]);
	self->socket = sockets[0];
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->here, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	vt_buf_fill(&self->here, 1);
	self->fd = vt_recv_fd(self->socket);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&self->mr, self->dev.pd, 0, SIZE, 0,
				      self->fd, VT_ACCESS_DMABUF));
}

FIXTURE_TEARDOWN(export)
{
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&self->mr));
	close(self->fd);
	vt_pair_close(&self->pair);
	EXPECT_EQ(0, vt_buf_close(&self->here));
	vt_dev_close(&self->dev);
	/* The exporting process ends when its socket is closed. */
	close(self->socket);
	if (self->exporter)
		EXPECT_EQ(0, vt_wait_child(self->exporter, BOUND_MS));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(export) export_t;

static int tell(export_t *self, char command)
{
	char answer;

	if (write(self->socket, &command, 1) != 1 ||
	    read(self->socket, &answer, 1) != 1)
		return -EPIPE;
	return answer;
}

static int transfer(export_t *self, bool write, uint64_t offset,
		    uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, offset, length);
	struct vt_remote there = { offset, self->mr.rkey };
	struct vt_end *end = &self->pair.end[0];
	int ret = write ? vt_rdma_write(end, &sge, 1, there) :
			  vt_rdma_read(end, &sge, 1, there);

	if (ret)
		vt_pair_renew(&self->pair);
	return ret;
}

static int new_registration(export_t *self, int access)
{
	struct ibv_mr mr = { 0 };
	int ret = vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0, self->fd,
				   access);

	return ret ? ret : vt_dereg_dmabuf_mr(&mr);
}

TEST_F_TIMEOUT(export, written_and_read, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	EXPECT_EQ(0, tell(self, 'c'));
	memset(self->here.mem.addr, 0, SIZE);
	EXPECT_EQ(0, transfer(self, false, 0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

/* The exporter is called by a task with another address space. */
TEST_F_TIMEOUT(export, prefetched, 60)
{
	struct ibv_sge all = { .length = SIZE, .lkey = self->mr.lkey };

	EXPECT_EQ(0, vt_advise_mr(self->dev.pd,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &all, 1));
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	EXPECT_EQ(0, tell(self, 'c'));
}

/* ---- what ends access ---- */

static void expect_ended(struct __test_metadata *_metadata, export_t *self)
{
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, 0, 100));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, false, 0, 100));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, SIZE - 100, 100));
	EXPECT_EQ(-ENODEV, new_registration(self, 0));
}

/* Unmapping a part ends access to the whole range. */
TEST_F_TIMEOUT(export, unmapped, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	ASSERT_EQ(0, tell(self, 'u'));
	expect_ended(_metadata, self);
}

TEST_F_TIMEOUT(export, unmapped_before_any_access, 60)
{
	ASSERT_EQ(0, tell(self, 'u'));
	expect_ended(_metadata, self);
}

/* Memory that is mapped there later was not exported. */
TEST_F_TIMEOUT(export, replaced_by_other_mapping, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	ASSERT_EQ(0, tell(self, 'm'));
	expect_ended(_metadata, self);
	EXPECT_EQ(0, tell(self, 'h'));
}

TEST_F_TIMEOUT(export, exporter_killed, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	ASSERT_EQ(0, kill(self->exporter, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(self->exporter, BOUND_MS));
	self->exporter = 0;
	expect_ended(_metadata, self);
}

/* The exporter revokes the memory, and may allow a new claim. */
TEST_F_TIMEOUT(export, revoked, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	ASSERT_EQ(0, tell(self, 'r'));
	EXPECT_EQ(variant->kind->claimable_after_revoke ? 0 : IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, 0, SIZE));
	EXPECT_EQ(0, new_registration(self, VT_ACCESS_DMABUF));
}

/* ---- rights ---- */

/* The rights follow the protection of the mapping. */
TEST_F_TIMEOUT(export, protected, 60)
{
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	ASSERT_EQ(0, tell(self, 'p'));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, 0, 100));
	EXPECT_EQ(0, transfer(self, false, 0, SIZE));
	EXPECT_EQ(0, new_registration(self, IBV_ACCESS_REMOTE_READ));
	ASSERT_EQ(0, tell(self, 'P'));
	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	EXPECT_EQ(0, tell(self, 'c'));
}

/*
 * A descriptor does not keep the exporter's module. After reloading, the exporter may
 * claim the mapping again.
 */
TEST_F_TIMEOUT(export, exporter_unloaded, 60)
{
	const struct vt_mem_kind *kind = variant->kind;

	EXPECT_EQ(0, transfer(self, true, 0, SIZE));
	if (variant->keeps_module) {
		EXPECT_NE(0, vt_rmmod(kind->module));
		EXPECT_EQ(0, transfer(self, true, 0, SIZE));
		return;
	}
	ASSERT_EQ(0, vt_rmmod(kind->module));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, 0, 100));
	EXPECT_EQ(-EFAULT, new_registration(self, 0));
	ASSERT_EQ(0, vt_mem_prepare(kind));
	EXPECT_EQ(kind->claimable_after_revoke ? 0 : -EFAULT,
		  new_registration(self, VT_ACCESS_DMABUF));
}

/* ---- what can be exported ---- */

FIXTURE(range)
{
	struct vt_dev dev;
	struct vt_mem mem;
};

FIXTURE_SETUP(range)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram_named, SIZE, 0));
}

FIXTURE_TEARDOWN(range)
{
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram_named));
}

TEST_F(range, descriptor)
{
	int fd = vt_export(self->mem.addr + PAGE, 2 * PAGE, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(2 * PAGE, (unsigned long)lseek(fd, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	close(fd);
}

TEST_F(range, read_only)
{
	int fd = vt_export(self->mem.addr, SIZE, 0);
	struct ibv_mr mr = { 0 };

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0, fd,
					    IBV_ACCESS_LOCAL_WRITE));
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0, fd,
				      IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(-EACCES, vt_rereg_mr(&mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				       VT_ACCESS_DMABUF));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
	close(fd);

	ASSERT_EQ(0, mprotect(self->mem.addr, SIZE, PROT_READ));
	EXPECT_EQ(-EACCES, vt_export(self->mem.addr, SIZE,
				     PEER_MEM_EXPORT_WRITE));
}

TEST_F(range, not_exportable)
{
	struct peer_vram_set_flags flags = {
		.size = sizeof(flags),
		.handle = self->mem.handle,
		.flags = PEER_VRAM_CREATE_NO_EXPORT,
	};
	int fd = vt_export(self->mem.addr, SIZE, PEER_MEM_EXPORT_WRITE);
	struct ibv_mr mr = { 0 };

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(self->mem.fd, PEER_VRAM_IOC_SET_FLAGS, &flags));
	EXPECT_EQ(-EACCES, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, SIZE, 0, fd,
					    0));
	EXPECT_EQ(-EACCES, vt_export(self->mem.addr, SIZE, 0));
	close(fd);
}

/* Every page of the range must belong to an exporter. */
TEST_F(range, not_peer_memory)
{
	uint8_t *addr = self->mem.addr;
	uint8_t *host = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, host);
	EXPECT_EQ(-EFAULT, vt_export(host, PAGE, 0));
	ASSERT_EQ(0, munmap(host + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, vt_export(host + PAGE, PAGE, 0));
	ASSERT_EQ(0, munmap(addr + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, vt_export(addr, 3 * PAGE, 0));
	EXPECT_EQ(-EFAULT, vt_export((void *)-(16 * PAGE), PAGE, 0));
	munmap(host, PAGE);
}

/* ---- adjacent buffers ---- */

/* Each is a page longer than an entry of the page table. */
#define BUFFERS 3
#define BUFFER (64 * 1024 + PAGE)

FIXTURE(buffers)
{
	VT_LINK;
	uint8_t *addr;
	int fd;
	struct ibv_mr mr;
};

FIXTURE_SETUP(buffers)
{
	uint8_t *room;
	int i;

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, BUFFERS * BUFFER,
				  0, NULL));
	/* The first and the last are VRAM, the middle one is a CMB. */
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_cmb));
	room = mmap(NULL, BUFFERS * BUFFER, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	self->addr = room;
	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(0, vt_mem_map_at(i == 1 ? &vt_mem_cmb : &vt_mem_vram,
					   room + i * BUFFER, BUFFER));
	self->fd = vt_export(room, BUFFERS * BUFFER, PEER_MEM_EXPORT_WRITE);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(buffers)
{
	close(self->fd);
	munmap(self->addr, BUFFERS * BUFFER);
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_cmb));
}

/* From an odd offset in the first to one in the last. */
TEST_F_TIMEOUT(buffers, one_mr_over_all, 60)
{
	uint64_t skip = BUFFER - 777, length = BUFFER + 2000;
	struct ibv_sge sge = vt_sge(&self->here, 100, length);
	struct vt_end *end = &self->pair.end[0];
	struct vt_remote at;

	ASSERT_EQ(0, vt_reg_dmabuf_mr(&self->mr, self->dev.pd, skip, length,
				      skip % PAGE, self->fd,
				      VT_ACCESS_DMABUF));
	at = (struct vt_remote){ skip % PAGE, self->mr.rkey };
	EXPECT_EQ(0, vt_rdma_write(end, &sge, 1, at));
	EXPECT_EQ(0, memcmp(self->addr + skip, self->here.shadow + 100, length));
	memset(self->here.mem.addr, 0, self->here.mem.length);
	EXPECT_EQ(0, vt_rdma_read(end, &sge, 1, at));
	EXPECT_EQ(0, memcmp(self->here.mem.addr + 100,
			    self->here.shadow + 100, length));
	sge.length = 1;
	at.addr += length;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, vt_rdma_write(end, &sge, 1, at));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&self->mr));
}

TEST_F_TIMEOUT(buffers, unmapping_one_ends_all, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 100);

	ASSERT_EQ(0, vt_reg_dmabuf_mr(&self->mr, self->dev.pd, 0,
				      BUFFERS * BUFFER, 0, self->fd,
				      VT_ACCESS_DMABUF));
	ASSERT_EQ(0, munmap(self->addr + BUFFER, BUFFER));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1,
				(struct vt_remote){ 0, self->mr.rkey }));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&self->mr));
	EXPECT_EQ(-EFAULT, vt_export(self->addr, BUFFERS * BUFFER, 0));
}

/* ---- the ioctl ---- */

/*
 * The second free descriptor number; export_raw() uses the first for the node. The
 * number is higher if a descriptor was leaked, or if only its number is still reserved.
 */
static int next_fd(void)
{
	int first = dup(0);
	int second = dup(0);

	close(first);
	close(second);
	return second;
}

static int export_raw(void *arg)
{
	int node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	int ret = ioctl(node, PEER_MEM_IOC_EXPORT, arg) ? -errno : 0;

	close(node);
	return ret;
}

TEST_F(range, arguments)
{
	struct peer_mem_export good = {
		.size = sizeof(good),
		.addr = (uintptr_t)self->mem.addr,
		.length = SIZE,
	};
	struct {
		struct peer_mem_export export;
		uint64_t later;
	} long_one;
	struct peer_mem_export bad;
	int next = next_fd();

#define REFUSED(error, field, value)			\
	do {						\
		bad = good;				\
		bad.field = value;			\
		EXPECT_EQ(-(error), export_raw(&bad));	\
	} while (0)
	REFUSED(EINVAL, size, 0);
	REFUSED(EINVAL, size, sizeof(good) - 1);
	REFUSED(E2BIG, size, PAGE + 1);
	REFUSED(EINVAL, flags, 2);
	REFUSED(EINVAL, flags, 1U << 31);
	REFUSED(EINVAL, addr, good.addr + 1);
	REFUSED(EINVAL, addr, -PAGE);
	REFUSED(EINVAL, length, 0);
	REFUSED(EINVAL, length, 100);
	REFUSED(EINVAL, length, -PAGE);
	REFUSED(EFAULT, length, 1ULL << 62);
	REFUSED(EINVAL, fd, 1);
	REFUSED(EINVAL, reserved, 1);
#undef REFUSED
	EXPECT_EQ(-EFAULT, export_raw(NULL));

	long_one.export = good;
	long_one.export.size = sizeof(long_one);
	long_one.later = 1;
	EXPECT_EQ(-E2BIG, export_raw(&long_one));
	EXPECT_EQ(next, next_fd());
	long_one.later = 0;
	EXPECT_EQ(0, export_raw(&long_one));
	EXPECT_EQ(0, close(long_one.export.fd));
	EXPECT_EQ(next, next_fd());
}

/* Without a free descriptor, and without a free file. */
TEST_F(range, too_many_files)
{
	struct peer_mem_export export = {
		.size = sizeof(export),
		.addr = (uintptr_t)self->mem.addr,
		.length = SIZE,
	};
	int node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, node);
	ASSERT_EQ(0, vt_deny_descriptors());
	EXPECT_EQ(-1, ioctl(node, PEER_MEM_IOC_EXPORT, &export));
	EXPECT_EQ(EMFILE, errno);
	ASSERT_EQ(0, vt_allow_descriptors());
	ASSERT_EQ(0, vt_deny_files());
	EXPECT_EQ(-1, ioctl(node, PEER_MEM_IOC_EXPORT, &export));
	EXPECT_EQ(ENFILE, errno);
	ASSERT_EQ(0, vt_allow_files());
	close(node);
}

/* If the reply cannot be written, no descriptor is installed. */
TEST_F(range, reply_not_writable)
{
	struct peer_mem_export *export;
	int next = next_fd();

	export = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, export);
	*export = (struct peer_mem_export){
		.size = sizeof(*export),
		.addr = (uintptr_t)self->mem.addr,
		.length = SIZE,
	};
	ASSERT_EQ(0, mprotect(export, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, export_raw(export));
	EXPECT_EQ(next, next_fd());
	munmap(export, PAGE);
}

TEST_HARNESS_MAIN
