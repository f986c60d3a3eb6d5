// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Peer memory under devices that do DMA, by plain registrations of pointers: what
 * the core makes of them is a dma-buf, and these devices have never heard of peer
 * memory.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <rdma/peer_mem.h>

#include "applies.h"
#include "../kmod/peer_test.h"
#include "engine.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE 4096
#define SIZE (6 * PAGE)

FIXTURE(peer)
{
	struct en_buf b;
};

FIXTURE_VARIANT(peer)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	/* Nobody says that the host bridge passes requests. */
	bool no_path;
};

FIXTURE_VARIANT_ADD(peer, dynamic_vram) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(peer, dynamic_vram_no_path) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC, .no_path = true,
};
FIXTURE_VARIANT_ADD(peer, revocable_vram) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_REVOCABLE,
};
FIXTURE_VARIANT_ADD(peer, dynamic_cmb) {
	.kind = &vt_mem_cmb, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(peer, revocable_cmb) {
	.kind = &vt_mem_cmb, .device = EDU_RDMA_REVOCABLE,
};

typedef FIXTURE_DATA(peer) peer_t;

FIXTURE_SETUP(peer)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges(variant->no_path ? "0:0" : "all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(peer)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
}

/* Over a border, in both directions. */
static void works(struct __test_metadata *_metadata, peer_t *self,
		  uint64_t seed)
{
	EXPECT_EQ(0, en_put(&self->b, PAGE - 100, 300, seed));
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

static uint64_t notifies(peer_t *self)
{
	struct edu_rdma_stats stats = { 0 };

	en_stats(self->b.engine, self->b.device, &stats);
	return stats.notifies;
}

TEST_F_TIMEOUT(peer, there_and_back, 120)
{
	works(_metadata, self, 2);
	EXPECT_EQ(0, en_put(&self->b, SIZE - 5, 5, 3));
	EXPECT_EQ(0, en_get(&self->b, SIZE - 5, 5));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* From an odd byte on, at an address of the caller's. */
TEST_F_TIMEOUT(peer, part, 60)
{
	uint64_t offset = PAGE + 4000, iova = 0x7000000000000000 + 4000;
	struct en_buf *b = &self->b;
	struct im_mr whole = b->mr;

	ASSERT_EQ(0, im_reg_mem(&b->dev, &b->mr, &b->buf.mem, offset, 2 * PAGE,
				iova, IM_ACCESS_ALL));
	b->buf.iova = iova - offset;
	EXPECT_EQ(0, en_put(b, offset, 200, 4));
	EXPECT_EQ(0, en_put(b, offset + 2 * PAGE - 3, 3, 4));
	EXPECT_EQ(-ERANGE, en_put(b, offset + 2 * PAGE - 1, 2, 5));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	b->mr = whole;
}

/* Who follows finds it again; who has it pinned keeps it where it is. */
TEST_F_TIMEOUT(peer, moves, 120)
{
	bool dynamic = self->b.device == EDU_RDMA_DYNAMIC;
	uint64_t before = notifies(self);

	if (variant->kind != &vt_mem_vram)
		DOES_NOT_APPLY(return, "this memory does not move");
	works(_metadata, self, 2);
	if (dynamic) {
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
		EXPECT_LE(before + !variant->no_path, notifies(self));
		works(_metadata, self, 3);
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	} else {
		EXPECT_NE(0, vt_mem_move(&self->b.buf.mem, false));
		EXPECT_EQ(before, notifies(self));
	}
	works(_metadata, self, 4);
}

/* What the administrator says of the host bridge changes while the memory is mapped. */
TEST_F_TIMEOUT(peer, route_changes, 120)
{
	bool moves = self->b.device == EDU_RDMA_DYNAMIC &&
		     variant->kind == &vt_mem_vram;

	works(_metadata, self, 2);
	ASSERT_EQ(0, en_bridges(variant->no_path ? "all" : "0:0"));
	works(_metadata, self, 3);
	if (moves)
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	works(_metadata, self, 4);
	if (moves)
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	ASSERT_EQ(0, en_bridges(variant->no_path ? "0:0" : "all"));
	works(_metadata, self, 5);
}

/* As before, and nobody has anything pinned. Who cannot follow is not asked. */
TEST_F_TIMEOUT(peer, on_demand, 120)
{
	struct en_buf *b = &self->b;
	struct im_mr pinned = b->mr;
	int ret = im_reg_mem(&b->dev, &b->mr, &b->buf.mem, 0, SIZE, b->buf.iova,
			     IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);

	if (b->device == EDU_RDMA_DYNAMIC) {
		ASSERT_EQ(0, ret);
		works(_metadata, self, 2);
		if (variant->kind == &vt_mem_vram)
			EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
		works(_metadata, self, 3);
		EXPECT_EQ(0, im_dereg_mr(&b->mr));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, ret);
	}
	b->mr = pinned;
}

static void is_over(struct __test_metadata *_metadata, peer_t *self)
{
	char byte;

	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
}

TEST_F_TIMEOUT(peer, destroyed, 60)
{
	works(_metadata, self, 2);
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	is_over(_metadata, self);
}

/* The mapping goes, and the registration with it, soon. */
TEST_F_TIMEOUT(peer, unmapped, 60)
{
	int64_t until = vt_now_ms() + 30000;
	char byte;

	works(_metadata, self, 2);
	ASSERT_EQ(0, munmap(self->b.buf.mem.addr, PAGE));
	while (!en_access(self->b.engine, self->b.device, self->b.mr.rkey,
			  self->b.buf.iova, &byte, 1, 0))
		ASSERT_GT(until, vt_now_ms());
	is_over(_metadata, self);
}

/* The exporter's device goes, and does not wait for the registration. */
TEST_F_TIMEOUT(peer, device_unbound, 120)
{
	char device[PATH_MAX], driver[PATH_MAX], path[PATH_MAX];
	const char *node = strrchr(variant->kind->node, '/') + 1;

	works(_metadata, self, 2);
	snprintf(path, sizeof(path), "/sys/class/misc/%s/device", node);
	ASSERT_NE(NULL, realpath(path, device));
	snprintf(path, sizeof(path), "/sys/class/misc/%s/device/driver", node);
	ASSERT_NE(NULL, realpath(path, driver));

	/* Whichever driver has it: the memory is its exporter's. */
	snprintf(path, sizeof(path), "%.2000s/unbind", driver);
	ASSERT_EQ(0, vt_write_file(path, strrchr(device, '/') + 1));
	is_over(_metadata, self);
	snprintf(path, sizeof(path), "%.2000s/bind", driver);
	EXPECT_EQ(0, vt_write_file(path, strrchr(device, '/') + 1));
}

/* The range is counted as the client's, and given back. */
TEST_F(peer, counted)
{
	struct vt_counters now;

	ASSERT_EQ(0, vt_counters_read(variant->kind, &now));
	EXPECT_EQ(1, now.alloc_mrs - now.dealloc_mrs);
	EXPECT_EQ(SIZE / PAGE, now.reg_pages - now.dereg_pages);
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	ASSERT_EQ(0, vt_counters_read(variant->kind, &now));
	EXPECT_EQ(0, now.alloc_mrs - now.dealloc_mrs);
}

/* As host memory, where it is pinned, until it is deregistered. */
TEST_F(peer, pinned_is_charged)
{
	bool pins = variant->device == EDU_RDMA_REVOCABLE;

	EXPECT_EQ(pins ? SIZE / 1024 : 0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	EXPECT_EQ(pins ? SIZE / 1024 : 0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
}

/* The driver is handed one. */
TEST_F(peer, no_descriptor_is_left)
{
	struct en_buf *b = &self->b;
	struct rlimit all, few;
	struct im_mr mr;
	int next = dup(0);

	close(next);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &all));
	few = (struct rlimit){ .rlim_cur = next, .rlim_max = all.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0,
				      IM_ACCESS_ALL));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &all));
	ASSERT_EQ(0, im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0,
				IM_ACCESS_ALL));
	EXPECT_EQ(0, im_dereg_mr(&mr));
}

static int kernel_mr(peer_t *self, const void *addr, int access)
{
	struct edu_rdma_kernel_mr arg = {
		.device = self->b.device,
		.access = access,
		.addr = (uintptr_t)addr,
		.length = SIZE,
	};

	return ioctl(self->b.engine, EDU_RDMA_KERNEL_MR, &arg) ? -errno : 0;
}

/*
 * Consumers in the kernel, which have no context of a process, get what the driver
 * gives them: system memory.
 */
TEST_F(peer, kernel_consumer)
{
	struct vt_mem host;

	ASSERT_EQ(0, vt_mem_alloc(&host, &vt_mem_host, SIZE, 0));
	EXPECT_EQ(0, kernel_mr(self, host.addr, IM_ACCESS_ALL));
	EXPECT_EQ(-EFAULT, kernel_mr(self, self->b.buf.mem.addr,
				     IM_ACCESS_ALL));
	EXPECT_NE(0, kernel_mr(self, self->b.buf.mem.addr,
			       IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND));
	vt_mem_free(&host);
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct en_buf b;
};

FIXTURE_VARIANT(client)
{
	enum edu_rdma_device device;
	const char *flavour;
	bool invalidates;
};

/* Who cannot stop gets what is never taken back. */
FIXTURE_VARIANT_ADD(client, stubborn_never_invalidates) {
	.device = EDU_RDMA_PINNED, .flavour = "flavour=0",
};
FIXTURE_VARIANT_ADD(client, dynamic_invalidates) {
	.device = EDU_RDMA_DYNAMIC, .flavour = "flavour=1", .invalidates = true,
};
FIXTURE_VARIANT_ADD(client, dynamic_large_pages) {
	.device = EDU_RDMA_DYNAMIC, .flavour = "flavour=1 page_shift=16",
	.invalidates = true,
};
FIXTURE_VARIANT_ADD(client, revocable_unmaps_itself) {
	.device = EDU_RDMA_REVOCABLE, .flavour = "flavour=2",
	.invalidates = true,
};

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, vt_peerdirect_load(variant->flavour));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_IOCTL,
				 &vt_mem_peerdirect, SIZE));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

/* What of the calls into the client was wrong. */
static uint64_t count_wrong(const struct vt_mem *mem)
{
	struct peer_test_stats stats = { { 0 } };
	enum peer_test_count what;
	uint64_t wrong = 0;

	if (ioctl(mem->fd, PEER_TEST_IOC_STATS, &stats))
		return 1;
	for (what = PEER_TEST_ERR_ORDER; what < PEER_TEST_NUM_COUNTS; what++)
		wrong += stats.count[what];
	return wrong;
}

TEST_F_TIMEOUT(client, bytes, 60)
{
	EXPECT_EQ(0, en_put(&self->b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, count_wrong(&self->b.buf.mem));
}

TEST_F_TIMEOUT(client, takes_back, 60)
{
	char byte;

	if (!variant->invalidates)
		DOES_NOT_APPLY(return, "this client never does");
	EXPECT_EQ(0, en_put(&self->b, PAGE - 100, 300, 2));
	ASSERT_EQ(0, vt_mem_revoke(&self->b.buf.mem));
	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, count_wrong(&self->b.buf.mem));
}

/* ---- refusals ---- */

FIXTURE(refusal)
{
	struct vt_mem mem;
	struct im_dev dev;
	int node;
};

FIXTURE_VARIANT(refusal)
{
	const struct vt_mem_kind *kind;
	const char *device;
	const char *bridges;
	int error;
	unsigned int reason;
};

/* It cannot stop, and the owners may want it back. */
FIXTURE_VARIANT_ADD(refusal, stubborn_vram) {
	.kind = &vt_mem_vram, .device = "edu1", .bridges = "all",
	.error = EOPNOTSUPP, .reason = PEER_MEM_NO_REVOKE,
};
FIXTURE_VARIANT_ADD(refusal, stubborn_cmb) {
	.kind = &vt_mem_cmb, .device = "edu1", .bridges = "all",
	.error = EOPNOTSUPP, .reason = PEER_MEM_NO_REVOKE,
};
FIXTURE_VARIANT_ADD(refusal, no_path_cmb) {
	.kind = &vt_mem_cmb, .device = "edu0", .bridges = "1af4:1110,0:0",
	.error = EREMOTEIO, .reason = PEER_MEM_NO_PATH,
};

FIXTURE_SETUP(refusal)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges(variant->bridges));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
	ASSERT_EQ(0, im_open(&self->dev, variant->device, IM_WRITE));
	self->node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->node);
}

FIXTURE_TEARDOWN(refusal)
{
	close(self->node);
	im_close(&self->dev);
	vt_mem_free(&self->mem);
}

/* What is told of a registration, beforehand. */
static int ask(int node, struct peer_mem_query *query, const char *device,
	       const struct vt_mem *mem)
{
	*query = (struct peer_mem_query){
		.size = sizeof(*query),
		.addr = (uintptr_t)mem->addr,
		.length = mem->length,
		.access = IM_ACCESS_ALL,
	};
	strcpy(query->device, device);
	return ioctl(node, PEER_MEM_IOC_QUERY, query) ? -errno : 0;
}

/* The same is told beforehand, once the device's ways are known. */
TEST_F(refusal, told)
{
	struct peer_mem_query query;
	struct im_mr mr;

	EXPECT_EQ(-variant->error,
		  im_reg_mem(&self->dev, &mr, &self->mem, 0, SIZE, 0,
			     IM_ACCESS_ALL));
	ASSERT_EQ(0, ask(self->node, &query, variant->device, &self->mem));
	EXPECT_EQ(variant->error, (int)query.pinned.error);
	EXPECT_EQ(variant->reason, query.pinned.reason);
	EXPECT_NE('\0', *query.client);
}

/* ---- a private link ---- */

FIXTURE(private_link)
{
	int node;
};

/* That the host bridge passes requests helps nobody. */
FIXTURE_SETUP(private_link)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_private_link));
	self->node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->node);
}

FIXTURE_TEARDOWN(private_link)
{
	close(self->node);
	EXPECT_EQ(0, vt_rmmod("peer_test_link"));
}

TEST_F_TIMEOUT(private_link, reaches_its_partner, 60)
{
	struct peer_mem_query query;
	struct en_buf b;

	ASSERT_EQ(0, en_buf_open(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_private_link, SIZE));
	EXPECT_EQ(0, en_put(&b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, en_get(&b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&b.buf));
	ASSERT_EQ(0, ask(self->node, &query, "edu0", &b.buf.mem));
	EXPECT_EQ(0, (int)query.pinned.error);
	EXPECT_STREQ("peer_test_link", query.client);
	EXPECT_EQ(0, en_buf_close(&b));
}

/* Neither by DMA nor by the CPU. */
TEST_F(private_link, reaches_nobody_else)
{
	static const char *const others[] = { "edu1", "edu2", "rxe0" };
	struct peer_mem_query query;
	struct vt_dev rxe;
	struct im_dev dev;
	struct vt_mem mem;
	struct im_mr mr;
	size_t i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_private_link, SIZE, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ask(self->node, &query, others[i], &mem));
		EXPECT_EQ(EREMOTEIO, (int)query.pinned.error);
		EXPECT_EQ(PEER_MEM_NO_PATH, query.pinned.reason);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, im_open(&dev, others[i], IM_WRITE));
		EXPECT_EQ(-EREMOTEIO, im_reg_mem(&dev, &mr, &mem, 0, SIZE, 0,
						 IM_ACCESS_ALL));
		im_close(&dev);
	}
	ASSERT_EQ(0, vt_dev_open(&rxe));
	errno = 0;
	EXPECT_EQ(NULL, ibv_reg_mr(rxe.pd, mem.addr, SIZE, IM_ACCESS_ALL));
	EXPECT_EQ(EREMOTEIO, errno);
	vt_dev_close(&rxe);
	vt_mem_free(&mem);
}

/* Another client would give the same memory: it is not asked any more. */
TEST_F(private_link, refusal_is_final)
{
	struct vt_dev rxe;
	struct vt_mem mem;

	ASSERT_EQ(0, vt_insmod_test("peerdirect_test.ko", ""));
	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_private_link, SIZE, 0));
	ASSERT_EQ(0, vt_dev_open(&rxe));
	errno = 0;
	EXPECT_EQ(NULL, ibv_reg_mr(rxe.pd, mem.addr, SIZE, IM_ACCESS_ALL));
	EXPECT_EQ(EREMOTEIO, errno);
	vt_dev_close(&rxe);
	vt_mem_free(&mem);
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

#define PARAMETERS "/sys/module/peer_test_link/parameters/"

/* Blocks that are mapped for DMA. */
static long mapped_blocks(void)
{
	FILE *in = fopen(PARAMETERS "mapped", "re");
	long blocks = -1;

	if (!in)
		return -errno;
	if (fscanf(in, "%ld", &blocks) != 1)
		blocks = -1;
	fclose(in);
	return blocks;
}

/* An answer that leaves out a page is none, wherever the page is. */
static void leaves_out(struct __test_metadata *_metadata, const char *page)
{
	struct en_buf b;

	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_private_link, SIZE));
	ASSERT_EQ(0, vt_write_file(PARAMETERS "omit", page));
	EXPECT_EQ(-EFAULT, en_buf_register(&b));
	EXPECT_EQ(0, mapped_blocks());
	ASSERT_EQ(0, vt_write_file(PARAMETERS "omit", "-1"));
	ASSERT_EQ(0, en_buf_register(&b));
	EXPECT_EQ(SIZE / PAGE, mapped_blocks());
	EXPECT_EQ(0, en_put(&b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, vt_buf_check_all(&b.buf));
	EXPECT_EQ(0, en_buf_close(&b));
	EXPECT_EQ(0, mapped_blocks());
}

TEST_F_TIMEOUT(private_link, leaves_out_the_first_page, 60)
{
	leaves_out(_metadata, "0");
}

TEST_F_TIMEOUT(private_link, leaves_out_a_page, 60)
{
	leaves_out(_metadata, "2");
}

TEST_F_TIMEOUT(private_link, leaves_out_the_last_page, 60)
{
	leaves_out(_metadata, "5");
}

static void *register_slowly(void *b)
{
	return (void *)(long)en_buf_register(b);
}

/* Who leaves while it is asked has given nothing: nobody has to deregister. */
TEST_F_TIMEOUT(private_link, leaves_while_it_is_asked, 60)
{
	pthread_t thread;
	struct en_buf b;
	void *ret;

	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_private_link, SIZE));
	ASSERT_EQ(0, vt_write_file(PARAMETERS "claim_ms", "2000"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, register_slowly, &b));
	usleep(700000);
	EXPECT_EQ(0, vt_rmmod("peer_test_link"));
	pthread_join(thread, &ret);
	EXPECT_EQ(-ENODEV, (long)ret);
	EXPECT_EQ(0, en_buf_close(&b));
	/* For the end of the fixture. */
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_private_link));
}

TEST_HARNESS_MAIN
