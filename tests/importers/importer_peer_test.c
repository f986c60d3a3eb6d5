// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Peer memory with DMA importers, registered by address. The core creates a dma-buf
 * for each registration. The drivers of the devices do not know peer memory.
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

#include "../kmod/peer_test.h"
#include "../page_size.h"
#include "applies.h"
#include "engine.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE page_size()
#define SIZE (6 * PAGE)

FIXTURE(peer)
{
	struct en_buf b;
};

FIXTURE_VARIANT(peer)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	bool no_route;	/* the host bridge is not listed */
};

FIXTURE_VARIANT_ADD(peer, dynamic_vram) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(peer, dynamic_vram_no_route) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC, .no_route = true,
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
	ASSERT_EQ(0, en_set_bridges(variant->no_route ? "0:0" : "all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(peer)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
}

/* Writes and reads across a page boundary. */
static void check_access(struct __test_metadata *_metadata, peer_t *self,
			 uint64_t seed)
{
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, seed));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

static uint64_t count_notifies(peer_t *self)
{
	struct edu_rdma_stats stats = { 0 };

	en_stats(self->b.engine, self->b.device, &stats);
	return stats.notifies;
}

TEST_F_TIMEOUT(peer, write_and_read, 120)
{
	check_access(_metadata, self, 2);
	EXPECT_EQ(0, en_buf_write(&self->b, SIZE - 5, 5, 3));
	EXPECT_EQ(0, en_buf_read(&self->b, SIZE - 5, 5));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* Registers a part from an unaligned offset, with an iova of the caller. */
TEST_F_TIMEOUT(peer, part, 60)
{
	uint64_t offset = PAGE + 4000, iova = 0x7000000000000000 + 4000;
	struct en_buf *b = &self->b;
	struct im_mr whole = b->mr;

	ASSERT_EQ(0, im_reg_mem(&b->dev, &b->mr, &b->buf.mem, offset, 2 * PAGE,
				iova, IM_ACCESS_ALL));
	b->buf.iova = iova - offset;
	EXPECT_EQ(0, en_buf_write(b, offset, 200, 4));
	EXPECT_EQ(0, en_buf_write(b, offset + 2 * PAGE - 3, 3, 4));
	EXPECT_EQ(-ERANGE, en_buf_write(b, offset + 2 * PAGE - 1, 2, 5));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	b->mr = whole;
}

/* A dynamic importer faults again after a move. A pinned BO does not move. */
TEST_F_TIMEOUT(peer, moves, 120)
{
	bool dynamic = self->b.device == EDU_RDMA_DYNAMIC;
	uint64_t before = count_notifies(self);

	if (variant->kind != &vt_mem_vram)
		DOES_NOT_APPLY(return, "this memory does not move");
	check_access(_metadata, self, 2);
	if (dynamic) {
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
		EXPECT_LE(before + !variant->no_route, count_notifies(self));
		check_access(_metadata, self, 3);
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	} else {
		EXPECT_NE(0, vt_mem_move(&self->b.buf.mem, false));
		EXPECT_EQ(before, count_notifies(self));
	}
	check_access(_metadata, self, 4);
}

/* p2p_bridges changes while the memory is mapped. */
TEST_F_TIMEOUT(peer, route_changes, 120)
{
	bool moves = self->b.device == EDU_RDMA_DYNAMIC &&
		     variant->kind == &vt_mem_vram;

	check_access(_metadata, self, 2);
	ASSERT_EQ(0, en_set_bridges(variant->no_route ? "all" : "0:0"));
	check_access(_metadata, self, 3);
	if (moves)
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	check_access(_metadata, self, 4);
	if (moves)
		EXPECT_EQ(0, vt_mem_move(&self->b.buf.mem, true));
	ASSERT_EQ(0, en_set_bridges(variant->no_route ? "0:0" : "all"));
	check_access(_metadata, self, 5);
}

/*
 * A dynamic importer works the same with IBV_ACCESS_ON_DEMAND, and pins nothing.
 * With other importers the registration fails before the exporter is asked.
 */
TEST_F_TIMEOUT(peer, on_demand, 120)
{
	struct en_buf *b = &self->b;
	struct im_mr pinned = b->mr;
	int ret = im_reg_mem(&b->dev, &b->mr, &b->buf.mem, 0, SIZE, b->buf.iova,
			     IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);

	if (b->device == EDU_RDMA_DYNAMIC) {
		ASSERT_EQ(0, ret);
		check_access(_metadata, self, 2);
		if (variant->kind == &vt_mem_vram)
			EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
		check_access(_metadata, self, 3);
		EXPECT_EQ(0, im_dereg_mr(&b->mr));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, ret);
	}
	b->mr = pinned;
}

static void expect_revoked(struct __test_metadata *_metadata, peer_t *self)
{
	char byte;

	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
}

TEST_F_TIMEOUT(peer, destroyed, 60)
{
	check_access(_metadata, self, 2);
	ASSERT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	expect_revoked(_metadata, self);
}

/* munmap() ends the registration asynchronously. */
TEST_F_TIMEOUT(peer, unmapped, 60)
{
	int64_t until = vt_now_ms() + 30000;
	char byte;

	check_access(_metadata, self, 2);
	ASSERT_EQ(0, munmap(self->b.buf.mem.addr, PAGE));
	while (!en_access(self->b.engine, self->b.device, self->b.mr.rkey,
			  self->b.buf.iova, &byte, 1, 0))
		ASSERT_GT(until, vt_now_ms());
	expect_revoked(_metadata, self);
}

/* Unbinding the exporter's device does not wait for the deregistration. */
TEST_F_TIMEOUT(peer, device_unbound, 120)
{
	char device[PATH_MAX], driver[PATH_MAX], path[PATH_MAX];
	const char *chardev = strrchr(variant->kind->node, '/') + 1;

	check_access(_metadata, self, 2);
	snprintf(path, sizeof(path), "/sys/class/misc/%s/device", chardev);
	ASSERT_NE(NULL, realpath(path, device));
	snprintf(path, sizeof(path), "/sys/class/misc/%s/device/driver", chardev);
	ASSERT_NE(NULL, realpath(path, driver));

	/* The exporter may be another module than the device's driver. */
	snprintf(path, sizeof(path), "%.2000s/unbind", driver);
	ASSERT_EQ(0, vt_write_file(path, strrchr(device, '/') + 1));
	expect_revoked(_metadata, self);
	snprintf(path, sizeof(path), "%.2000s/bind", driver);
	EXPECT_EQ(0, vt_write_file(path, strrchr(device, '/') + 1));
}

/* The counters of the exporter contain the MR until it is deregistered. */
TEST_F(peer, counters)
{
	struct vt_counters now;

	ASSERT_EQ(0, vt_counters_read(variant->kind, &now));
	EXPECT_EQ(1, now.alloc_mrs - now.dealloc_mrs);
	EXPECT_EQ(SIZE / PAGE, now.reg_pages - now.dereg_pages);
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	ASSERT_EQ(0, vt_counters_read(variant->kind, &now));
	EXPECT_EQ(0, now.alloc_mrs - now.dealloc_mrs);
}

/* Pinned peer memory counts as VmPin, as system memory does. */
TEST_F(peer, pinned_is_charged)
{
	bool pins = variant->device == EDU_RDMA_REVOCABLE;

	EXPECT_EQ(pins ? SIZE / 1024 : 0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, vt_mem_destroy(&self->b.buf.mem));
	EXPECT_EQ(pins ? SIZE / 1024 : 0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
}

/* The core needs a free descriptor, which it passes to the driver. */
TEST_F(peer, no_free_descriptor)
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
 * Kernel consumers have no user context. The driver serves them system memory only,
 * without the core.
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

/* A non-revocable importer can use a client that never invalidates. */
FIXTURE_VARIANT_ADD(client, non_revocable_never_invalidates) {
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

/* Return: the number of wrong calls that the client has counted. */
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

TEST_F_TIMEOUT(client, write_and_read, 60)
{
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, count_wrong(&self->b.buf.mem));
}

TEST_F_TIMEOUT(client, invalidates_memory, 60)
{
	char byte;

	if (!variant->invalidates)
		DOES_NOT_APPLY(return, "this client never invalidates");
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 2));
	ASSERT_EQ(0, vt_mem_revoke(&self->b.buf.mem));
	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, count_wrong(&self->b.buf.mem));
}

/* ---- rejected registrations ---- */

FIXTURE(rejection)
{
	struct vt_mem mem;
	struct im_dev dev;
	int chardev;
};

FIXTURE_VARIANT(rejection)
{
	const struct vt_mem_kind *kind;
	const char *device;
	const char *bridges;
	int error;
	unsigned int status;
};

/* The importer is non-revocable, and these exporters may revoke. */
FIXTURE_VARIANT_ADD(rejection, non_revocable_vram) {
	.kind = &vt_mem_vram, .device = "edu1", .bridges = "all",
	.error = EOPNOTSUPP, .status = PEER_MEM_NO_REVOKE,
};
FIXTURE_VARIANT_ADD(rejection, non_revocable_cmb) {
	.kind = &vt_mem_cmb, .device = "edu1", .bridges = "all",
	.error = EOPNOTSUPP, .status = PEER_MEM_NO_REVOKE,
};
FIXTURE_VARIANT_ADD(rejection, no_route_cmb) {
	.kind = &vt_mem_cmb, .device = "edu0", .bridges = "1af4:1110,0:0",
	.error = EREMOTEIO, .status = PEER_MEM_NO_P2P_ROUTE,
};

FIXTURE_SETUP(rejection)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges(variant->bridges));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
	ASSERT_EQ(0, im_open(&self->dev, variant->device, IM_WRITE));
	self->chardev = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->chardev);
}

FIXTURE_TEARDOWN(rejection)
{
	close(self->chardev);
	im_close(&self->dev);
	vt_mem_free(&self->mem);
}

/* Queries whether @mem could be registered with @device. */
static int query_device(int chardev, struct peer_mem_query *query,
			const char *device, const struct vt_mem *mem)
{
	*query = (struct peer_mem_query){
		.size = sizeof(*query),
		.addr = (uintptr_t)mem->addr,
		.length = mem->length,
		.access = IM_ACCESS_ALL,
	};
	strcpy(query->device, device);
	return ioctl(chardev, PEER_MEM_IOC_QUERY, query) ? -errno : 0;
}

/*
 * A query reports the error of the registration. The importer type is known since
 * the registration.
 */
TEST_F(rejection, query_agrees)
{
	struct peer_mem_query query;
	struct im_mr mr;

	EXPECT_EQ(-variant->error,
		  im_reg_mem(&self->dev, &mr, &self->mem, 0, SIZE, 0,
			     IM_ACCESS_ALL));
	ASSERT_EQ(0, query_device(self->chardev, &query, variant->device,
				  &self->mem));
	EXPECT_EQ(variant->error, (int)query.pinned.error);
	EXPECT_EQ(variant->status, query.pinned.status);
	EXPECT_NE('\0', *query.exporter);
}

/* ---- private link ---- */

FIXTURE(private_link)
{
	int chardev;
};

/* The listed host bridges do not matter for this memory. */
FIXTURE_SETUP(private_link)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_private_link));
	self->chardev = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->chardev);
}

FIXTURE_TEARDOWN(private_link)
{
	close(self->chardev);
	EXPECT_EQ(0, vt_rmmod("peer_test_link"));
}

TEST_F_TIMEOUT(private_link, reachable_from_partner, 60)
{
	struct peer_mem_query query;
	struct en_buf b;

	ASSERT_EQ(0, en_buf_open(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_private_link, SIZE));
	EXPECT_EQ(0, en_buf_write(&b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, en_buf_read(&b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&b.buf));
	ASSERT_EQ(0, query_device(self->chardev, &query, "edu0", &b.buf.mem));
	EXPECT_EQ(0, (int)query.pinned.error);
	EXPECT_STREQ("peer_test_link", query.exporter);
	EXPECT_EQ(0, en_buf_close(&b));
}

/* Neither other DMA importers nor a CPU importer. */
TEST_F(private_link, unreachable_from_others)
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
		ASSERT_EQ(0, query_device(self->chardev, &query, others[i], &mem));
		EXPECT_EQ(EREMOTEIO, (int)query.pinned.error);
		EXPECT_EQ(PEER_MEM_NO_P2P_ROUTE, query.pinned.status);
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

/* After a denial, another exporter of the same memory is not asked. */
TEST_F(private_link, denial_is_final)
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

/* Return: the number of blocks mapped for DMA, or negative on error. */
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

/* A fault() of the exporter that omits any page fails. */
static void check_omitted_page(struct __test_metadata *_metadata, const char *page)
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
	EXPECT_EQ(0, en_buf_write(&b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, vt_buf_check_all(&b.buf));
	EXPECT_EQ(0, en_buf_close(&b));
	EXPECT_EQ(0, mapped_blocks());
}

TEST_F_TIMEOUT(private_link, omits_first_page, 60)
{
	check_omitted_page(_metadata, "0");
}

TEST_F_TIMEOUT(private_link, omits_middle_page, 60)
{
	check_omitted_page(_metadata, "2");
}

TEST_F_TIMEOUT(private_link, omits_last_page, 60)
{
	check_omitted_page(_metadata, "5");
}

/* The program gets the error of dma_map(). */
TEST_F_TIMEOUT(private_link, dma_map_fails, 60)
{
	static const int errors[] = { EREMOTEIO, EIO, ENOMEM };
	struct en_buf b;
	char text[16];
	size_t i;

	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_private_link, SIZE));
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(text, sizeof(text), "%d", errors[i]);
		ASSERT_EQ(0, vt_write_file(PARAMETERS "map_error", text));
		EXPECT_EQ(-errors[i], en_buf_register(&b));
	}
	EXPECT_EQ(0, mapped_blocks());
	ASSERT_EQ(0, vt_write_file(PARAMETERS "map_error", "0"));
	ASSERT_EQ(0, en_buf_register(&b));
	EXPECT_EQ(0, en_buf_close(&b));
}

static void *register_thread(void *b)
{
	return (void *)(long)en_buf_register(b);
}

/* If an exporter unregisters during claim(), the registration fails. */
TEST_F_TIMEOUT(private_link, unregisters_during_claim, 60)
{
	pthread_t thread;
	struct en_buf b;
	void *ret;

	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_private_link, SIZE));
	ASSERT_EQ(0, vt_write_file(PARAMETERS "claim_ms", "2000"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, register_thread, &b));
	usleep(700000);
	EXPECT_EQ(0, vt_rmmod("peer_test_link"));
	pthread_join(thread, &ret);
	EXPECT_EQ(-ENODEV, (long)ret);
	EXPECT_EQ(0, en_buf_close(&b));
	/* The teardown of the fixture unloads the module. */
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_private_link));
}

/* ---- memory for CPU importers only ---- */

/* The exporter has no dma_map(). */
TEST(exporter_without_dma_map)
{
	struct en_buf b;

	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_native));
	ASSERT_EQ(0, en_buf_prepare(&b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_native, SIZE));
	EXPECT_EQ(-EREMOTEIO, en_buf_register(&b));
	EXPECT_EQ(0, en_buf_close(&b));
	EXPECT_EQ(0, vt_rmmod("peer_test_native"));
}

TEST_HARNESS_MAIN
