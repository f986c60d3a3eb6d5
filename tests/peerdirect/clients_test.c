// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PeerDirect clients that behave like those of vendors (tests/kmod/clients.h). The
 * tests check the exact sequence of calls into the client, the data and the
 * counters, for everything that can happen to a registration. Unmodified clients of
 * vendors may rely on these sequences.
 *
 * Each test case loads and unloads the client.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "applies.h"
#include "client.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
/* Parts of the range that are written and read, and their length. */
#define PIECES 3
#define PIECE 24576UL

#define DELAY "/sys/module/peerdirect_clients/parameters/delay_ms"

FIXTURE(client)
{
	struct client client;
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf host;
};

FIXTURE_VARIANT(client)
{
	struct client_type type;
};

typedef FIXTURE_DATA(client) client_t;

#define CLIENT_VARIANT(_name, ...)		\
	FIXTURE_VARIANT_ADD(client, _name)	\
	{					\
		.type = { __VA_ARGS__ },	\
	}

CLIENT_VARIANT(nv_peer_mem, .product = "nv_peer_mem", .name = "nv_mem",
	       .invalidation = INVALIDATE_CLIENT_UNMAPS, .missing = "",
	       .page = 65536, .reported_page = 65536, .piece_order = 4,
	       .holds_module = true, .second_client = true);
CLIENT_VARIANT(nvidia_peermem, .product = "nvidia-peermem", .name = "nv_mem",
	       .invalidation = INVALIDATE_NEVER, .missing = "", .page = 65536,
	       .reported_page = 65536, .piece_order = 4, .holds_module = true);
CLIENT_VARIANT(amdgpu, .product = "amdgpu", .name = "amdkfd",
	       .invalidation = INVALIDATE_NEVER, .missing = "", .page = 4096,
	       .reported_page = 4096, .piece_order = -1);
CLIENT_VARIANT(dmabuf_peer_mem, .product = "dmabuf_peer_mem",
	       .name = "dmabuf_peer_mem",
	       .invalidation = INVALIDATE_CORE_UNMAPS, .missing = "",
	       .page = 4096, .reported_page = 4096, .piece_order = -1);
CLIENT_VARIANT(npu, .product = "npu", .name = "npu_mem",
	       .invalidation = INVALIDATE_IGNORES_UNMAP, .missing = "S",
	       .page = 4096, .reported_page = 4096, .piece_order = -1);
CLIENT_VARIANT(devmm, .product = "devmm", .name = "devmm",
	       .invalidation = INVALIDATE_NEVER, .missing = "R",
	       .page = 2097152, .reported_page = 2097152, .piece_order = 9);
CLIENT_VARIANT(mlu, .product = "mlu", .name = "mlu_peer_mem",
	       .invalidation = INVALIDATE_NEVER, .missing = "", .page = 16384,
	       .reported_page = 16384, .piece_order = -1);

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, client_open(&self->client, &variant->type));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->host, &self->dev, &vt_mem_host,
				 4 * PIECE, NULL));
	vt_buf_fill(&self->host, 2);
}

/* All regions were released by the tests. */
FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, client_errors(&self->client));
	EXPECT_EQ(0, client_check_sequences(&self->client));
	if (vt_module_is_loaded("peerdirect_clients"))
		EXPECT_EQ(0, vt_counters_balanced(&self->client.kind));
	EXPECT_EQ(0, vt_buf_close(&self->host));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, client_close(&self->client));
}

static struct ibv_mr *reg_range(client_t *self, int access)
{
	return ibv_reg_mr(self->dev.pd, self->client.buf.mem.addr +
			  client_range_offset(&self->client),
			  client_range_length(&self->client), access);
}

static struct vt_remote range_remote(client_t *self, struct ibv_mr *mr,
				     uint64_t offset)
{
	return (struct vt_remote){
		(uintptr_t)self->client.buf.mem.addr +
		client_range_offset(&self->client) + offset, mr->rkey
	};
}

/* Pieces: start of the range, across a boundary of device pages, end. */
static uint64_t piece_offset(client_t *self, int piece)
{
	uint64_t page = self->client.type->page;
	uint64_t start = client_range_offset(&self->client);

	switch (piece) {
	case 0:
		return 0;
	case 1:
		return (page < 65536 ? 4 : 1) * page - start % page - PIECE / 2;
	default:
		return client_range_length(&self->client) - PIECE;
	}
}

/* Writes pattern @seed to the pieces. Return: the status of the WRITEs. */
static int write_pieces(client_t *self, struct ibv_mr *mr, uint64_t seed)
{
	uint8_t *shadow = self->client.buf.shadow +
			  client_range_offset(&self->client);
	struct ibv_sge sge;
	int i, ret = 0;

	vt_buf_fill(&self->host, seed);
	for (i = 0; !ret && i < PIECES; i++) {
		sge = vt_sge(&self->host, 77 + i * PIECE, PIECE);
		ret = vt_rdma_write(&self->pair.end[0], &sge, 1,
				    range_remote(self, mr, piece_offset(self, i)));
		if (!ret)
			memcpy(shadow + piece_offset(self, i),
			       self->host.shadow + 77 + i * PIECE, PIECE);
	}
	return ret;
}

/* Reads and compares the pieces. Return: the status of the READs, or -EILSEQ. */
static int read_pieces(client_t *self, struct ibv_mr *mr)
{
	uint8_t *shadow = self->client.buf.shadow +
			  client_range_offset(&self->client);
	struct ibv_sge sge;
	int i, ret = 0;

	vt_buf_fill(&self->host, 3);
	for (i = 0; !ret && i < PIECES; i++) {
		sge = vt_sge(&self->host, 99 + i * PIECE, PIECE);
		ret = vt_rdma_read(&self->pair.end[0], &sge, 1,
				   range_remote(self, mr, piece_offset(self, i)));
		memcpy(self->host.shadow + 99 + i * PIECE,
		       shadow + piece_offset(self, i), PIECE);
	}
	return ret ? ret : vt_buf_check_all(&self->host);
}

static void check_data(struct __test_metadata *_metadata, client_t *self,
		       struct ibv_mr *mr, uint64_t seed)
{
	EXPECT_EQ(0, write_pieces(self, mr, seed));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
	EXPECT_EQ(0, read_pieces(self, mr));
}

/* Checks the counters for @active and @released ranges. */
static void check_counters(struct __test_metadata *_metadata, client_t *self,
			   uint64_t active, uint64_t released)
{
	uint64_t start = client_range_offset(&self->client);
	uint64_t end = start + client_range_length(&self->client);
	/* A client that reports less than a page of the CPU means one of these. */
	uint64_t page = self->client.type->reported_page > page_size() ?
		self->client.type->reported_page : page_size();
	uint64_t pages = (end - 1) / page - start / page + 1;
	uint64_t mask = -page_size();
	uint64_t bytes = ((end + page_size() - 1) & mask) - (start & mask);
	struct vt_counters c;

	ASSERT_EQ(0, vt_counters_read(&self->client.kind, &c));
	EXPECT_EQ(active + released, c.alloc_mrs);
	EXPECT_EQ((active + released) * pages, c.reg_pages);
	EXPECT_EQ((active + released) * bytes, c.reg_bytes);
	EXPECT_EQ(released, c.dealloc_mrs);
	EXPECT_EQ(released * pages, c.dereg_pages);
	EXPECT_EQ(released * bytes, c.dereg_bytes);
}

TEST_F_TIMEOUT(client, register, 60)
{
	struct ibv_mr *mr = reg_range(self, VT_ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDS"));
	check_counters(_metadata, self, 1, 0);
	check_data(_metadata, self, mr, 4);
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSUPR"));
	check_counters(_metadata, self, 0, 1);
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);

	/* A second, read-only registration. */
	mr = reg_range(self, IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_pieces(self, mr));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 2, "AGDSUPR"));
	check_counters(_metadata, self, 0, 2);
}

static void inject(struct __test_metadata *_metadata, client_t *self,
		   enum peer_test_event event, int error)
{
	struct peer_test_plan what = { event, error };

	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_PLAN, &what));
}

/* ibv_reg_mr() returns the errno of the client's callback. */
TEST_F(client, callback_errors)
{
	struct ibv_mr *mr;

	inject(_metadata, self, PEER_TEST_FAIL_ACQUIRE, -EPERM);
	mr = reg_range(self, VT_ACCESS_ALL);
	if (variant->type.second_client) {
		/* The second client of the product claims the range. */
		ASSERT_NE(NULL, mr);
		EXPECT_EQ(0, ibv_dereg_mr(mr));
		EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSUPR"));
	} else {
		EXPECT_EQ(NULL, mr);
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_STREQ("e", client_calls(&self->client, 0).calls);
	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_CLEAR));

	inject(_metadata, self, PEER_TEST_FAIL_GET_PAGES, -ENOSPC);
	EXPECT_EQ(NULL, reg_range(self, VT_ACCESS_ALL));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AgR"));

	inject(_metadata, self, PEER_TEST_FAIL_DMA_MAP, -ENODEV);
	EXPECT_EQ(NULL, reg_range(self, VT_ACCESS_ALL));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, client_check_calls(&self->client, 2, "AGdPR"));

	mr = reg_range(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 3, "AGDSUPR"));
}

/* acquire() claims the range with any value above 0. */
TEST_F(client, acquire_returns_positive)
{
	struct ibv_mr *mr;

	inject(_metadata, self, PEER_TEST_FAIL_ACQUIRE, 4096);
	mr = reg_range(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSUPR"));
}

/* Calls of release() while the client unmaps; valid only after deregistration. */
static uint64_t count_early_releases(client_t *self)
{
	struct peer_test_stats stats = { { 0 } };

	ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_STATS, &stats);
	return stats.count[PEER_TEST_EARLY_RELEASE];
}

/* The calls for a range that was invalidated and deregistered. */
static const char *calls_after_invalidation(client_t *self)
{
	switch (self->client.type->invalidation) {
	case INVALIDATE_CORE_UNMAPS:
		return "AGDSIUPiR";
	case INVALIDATE_CLIENT_UNMAPS:
		return "AGDSIiFR";
	default:
		return "AGDSIupiFR";
	}
}

static int count_not_revoked(client_t *self, struct ibv_mr *mr)
{
	struct vt_buf middle = self->client.buf;

	middle.mr = mr;
	/* The first address that is aligned for atomics. */
	middle.iova = range_remote(self, mr, 0).addr;
	middle.iova += -middle.iova & 7;
	return vt_count_not_revoked(&self->dev, &middle);
}

TEST_F_TIMEOUT(client, invalidated, 60)
{
	struct vt_counters c;
	struct ibv_mr *mr = reg_range(self, VT_ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vt_mem_revoke(&self->client.buf.mem));
	if (variant->type.invalidation == INVALIDATE_NEVER) {
		check_data(_metadata, self, mr, 4);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSUPR"));
		return;
	}
	/* The client uses its context after the callback has returned. */
	EXPECT_EQ(0, count_early_releases(self));
	EXPECT_EQ(0, count_not_revoked(self, mr));
	EXPECT_FALSE(strchr(client_calls(&self->client, 1).calls, 'R'));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 1,
					calls_after_invalidation(self)));
	ASSERT_EQ(0, vt_counters_read(&self->client.kind, &c));
	EXPECT_EQ(1, c.free_callbacks);

	mr = reg_range(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	check_data(_metadata, self, mr, 4);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 2, "AGDSUPR"));
}

/* A registration with an invalidation during it fails, or its MR is revoked. */
static void check_early_invalidation(struct __test_metadata *_metadata,
				     client_t *self)
{
	struct ibv_mr *mr = reg_range(self, VT_ACCESS_ALL);

	if (mr) {
		/* The invalidating thread may be later than the registration. */
		EXPECT_EQ(0, client_wait_call(&self->client, 1, 'i'));
		EXPECT_EQ(0, count_not_revoked(self, mr));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	} else {
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(0, client_wait_call(&self->client, 1, 'i'));
	EXPECT_EQ(0, client_wait_call(&self->client, 1, 'R'));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
}

TEST_F_TIMEOUT(client, invalidated_before_dma_map, 60)
{
	bool core_unmaps;

	if (variant->type.invalidation == INVALIDATE_NEVER)
		DOES_NOT_APPLY(return, "this client never invalidates");
	inject(_metadata, self, PEER_TEST_INVALIDATE_BESIDE, 0);
	if (variant->type.invalidation == INVALIDATE_CLIENT_UNMAPS) {
		/* It does not call the callback; its dma_map() fails. */
		EXPECT_EQ(NULL, reg_range(self, VT_ACCESS_ALL));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGxdPR"));
		return;
	}
	check_early_invalidation(_metadata, self);
	core_unmaps = variant->type.invalidation == INVALIDATE_CORE_UNMAPS;
	EXPECT_EQ(0, client_check_calls(&self->client, 1, core_unmaps ?
					"AGIDSUPiR" : "AGIDSupiFR"));
}

/* The latest time: the core must not read the client's list afterwards. */
TEST_F_TIMEOUT(client, invalidated_in_get_page_size, 60)
{
	if (variant->type.invalidation != INVALIDATE_CORE_UNMAPS)
		DOES_NOT_APPLY(return, "this client does not do that");
	inject(_metadata, self, PEER_TEST_INVALIDATE_ASKED, 0);
	check_early_invalidation(_metadata, self);
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSIiUPR"));
}

static void *invalidate_thread(void *arg)
{
	client_t *self = arg;

	vt_mem_revoke(&self->client.buf.mem);
	return NULL;
}

/* A client that unmaps itself takes its lock in both paths. */
TEST_F_TIMEOUT(client, invalidated_during_dereg, 120)
{
	int rounds = vt_slow_kernel() ? 15 : 60, raced = 0, i;
	int fd = self->client.buf.mem.fd;
	pthread_t thread;
	struct ibv_mr *mr;

	if (variant->type.invalidation == INVALIDATE_NEVER)
		DOES_NOT_APPLY(return, "this client never invalidates");
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, ioctl(fd, PEER_TEST_IOC_CLEAR));
		mr = reg_range(self, VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate_thread,
					    self));
		usleep(i * 20);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, client_wait_call(&self->client, 1, 'R'));
		ASSERT_EQ(0, client_check_sequences(&self->client));
		ASSERT_EQ(0, client_errors(&self->client));
		raced += !!strchr(client_calls(&self->client, 1).calls, 'I');
	}
	TH_LOG("%d of %d rounds raced", raced, rounds);
}

/*
 * The client's module is unloaded during an invalidation. Unloading fails if a
 * registered range holds the module.
 */
TEST_F_TIMEOUT(client, invalidated_during_unregistration, 120)
{
	int rounds = vt_slow_kernel() ? 3 : 8, i;
	int fd = self->client.buf.mem.fd;
	pthread_t thread;
	struct ibv_mr *mr;

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, ioctl(fd, PEER_TEST_IOC_CLEAR));
		mr = reg_range(self, VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate_thread,
					    self));
		ASSERT_EQ(variant->type.holds_module,
			  vt_rmmod("peerdirect_clients"));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		if (!variant->type.holds_module)
			EXPECT_EQ(0, count_not_revoked(self, mr));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
		ASSERT_EQ(0, client_check_sequences(&self->client));
		ASSERT_EQ(0, client_load(variant->type.product));
	}
	mr = reg_range(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* ---- exit of the process ---- */

/*
 * struct scenario - how a process with a registration exits
 * @access:       access flags of the MR
 * @memory_first: the memory is opened before the RDMA device
 * @killed:       the process is killed during get_pages()
 */
struct scenario {
	int access;
	bool memory_first;
	bool killed;
};

/* Child process: opens its own memory and device. */
static void register_and_exit(client_t *self, const struct scenario *scenario)
{
	struct ibv_mr *mr;
	int error;

	vt_mem_free(&self->client.buf.mem);
	if (scenario->memory_first && client_open_memory(&self->client))
		_exit(2);
	if (vt_dev_open(&self->dev) ||
	    vt_pair_open(&self->pair, &self->dev, NULL) ||
	    vt_buf_open(&self->host, &self->dev, &vt_mem_host, 4 * PIECE, NULL))
		_exit(3);
	if (!scenario->memory_first && client_open_memory(&self->client))
		_exit(2);
	vt_buf_fill(&self->client.buf, 1);
	mr = reg_range(self, scenario->access);
	if (!mr)
		_exit(4);
	/* The first access faults the pages of an on-demand MR in. */
	error = write_pieces(self, mr, 5) || vt_buf_check_all(&self->client.buf);
	/* Wait for the signal of the parent, which may be slow. */
	while (scenario->killed && !error)
		pause();
	_exit(error);
}

static void check_exit(struct __test_metadata *_metadata, client_t *self,
		       struct scenario scenario)
{
	pid_t pid;

	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_CLEAR));
	fflush(NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		register_and_exit(self, &scenario);
	if (scenario.killed) {
		EXPECT_EQ(0, client_wait_call(&self->client, 1, 'G'));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, VT_TIMEOUT_MS));
	} else {
		EXPECT_EQ(0, vt_wait_child(pid, 2 * VT_TIMEOUT_MS));
	}
	EXPECT_EQ(0, vt_counters_balanced(&self->client.kind));
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);
	if (!strchr(self->client.type->missing, 'R'))
		EXPECT_EQ(0, client_wait_call(&self->client, 1, 'R'));
	EXPECT_EQ(0, client_check_sequences(&self->client));
	EXPECT_EQ(0, client_errors(&self->client));
}

TEST_F_TIMEOUT(client, process_exits, 120)
{
	struct scenario scenario = { .access = VT_ACCESS_ALL };

	check_exit(_metadata, self, scenario);
	scenario.memory_first = true;
	check_exit(_metadata, self, scenario);
	scenario.access = ON_DEMAND;
	check_exit(_metadata, self, scenario);
	scenario.memory_first = false;
	check_exit(_metadata, self, scenario);
}

TEST_F_TIMEOUT(client, process_killed, 120)
{
	struct scenario scenario = { .access = VT_ACCESS_ALL, .killed = true };

	ASSERT_EQ(0, vt_write_file(DELAY, "300"));
	check_exit(_metadata, self, scenario);
	scenario.memory_first = true;
	check_exit(_metadata, self, scenario);
	scenario.access = ON_DEMAND;
	check_exit(_metadata, self, scenario);
}

/* ---- on demand ---- */

TEST_F_TIMEOUT(client, on_demand, 60)
{
	struct ibv_mr *mr = reg_range(self, ON_DEMAND);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, client_calls(&self->client, 0).ranges);
	check_data(_metadata, self, mr, 4);
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 1, "AGDSUPR"));
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);
}

/* The next access faults again. */
TEST_F_TIMEOUT(client, on_demand_invalidated, 60)
{
	struct ibv_mr *mr;

	if (variant->type.invalidation == INVALIDATE_NEVER)
		DOES_NOT_APPLY(return, "this client never invalidates");
	mr = reg_range(self, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	check_data(_metadata, self, mr, 4);
	ASSERT_EQ(0, vt_mem_revoke(&self->client.buf.mem));
	if (variant->type.invalidation == INVALIDATE_CLIENT_UNMAPS)
		EXPECT_EQ(0, count_early_releases(self));
	check_data(_metadata, self, mr, 5);
	EXPECT_EQ(0, client_wait_call(&self->client, 1, 'R'));
	EXPECT_EQ(0, client_check_calls(&self->client, 1,
					calls_after_invalidation(self)));
	EXPECT_EQ(0, client_check_calls(&self->client, 2, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&self->client, 2, "AGDSUPR"));
}

/* ---- several clients ---- */

static const struct client_type amdgpu = {
	.product = "devmm,amdgpu", .name = "amdkfd",
	.invalidation = INVALIDATE_NEVER, .missing = "", .page = 4096,
	.reported_page = 4096, .piece_order = -1,
};

/* If acquire() of a client fails, the next client is asked. */
TEST(acquire_error_of_other_client)
{
	struct client client;
	struct vt_dev dev;
	struct ibv_mr *mr;
	void *outside;
	__u64 no_window = 0;

	ASSERT_EQ(0, client_open(&client, &amdgpu));
	ASSERT_EQ(0, vt_dev_open(&dev));
	outside = mremap(client.buf.mem.addr, client.buf.mem.length,
			 client.buf.mem.length, MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)(CLIENT_WINDOW / 2));
	ASSERT_NE(MAP_FAILED, outside);
	client.buf.mem.addr = outside;
	ASSERT_EQ(0, ioctl(client.buf.mem.fd, PEER_TEST_IOC_PLACE, &no_window));

	mr = ibv_reg_mr(dev.pd, outside, client.buf.mem.length,
			VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_STREQ("e", client_calls(&client, 0).calls);
	EXPECT_EQ(0, client_check_calls(&client, 1, "AGDS"));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_check_calls(&client, 1, "AGDSUPR"));

	/* If no client claims the range, the program gets the error. */
	EXPECT_EQ(NULL, ibv_reg_mr(dev.pd, outside,
				   client.buf.mem.length + page_size(),
				   VT_ACCESS_ALL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_STREQ("eea", client_calls(&client, 0).calls);
	EXPECT_EQ(0, client_errors(&client));
	vt_dev_close(&dev);
	EXPECT_EQ(0, client_close(&client));
}

/* A product with two clients: the second is not asked if the first claims. */
TEST(second_client)
{
	const struct client_type type = {
		.product = "nv_peer_mem", .name = "nv_mem_nc",
		.invalidation = INVALIDATE_CLIENT_UNMAPS, .missing = "",
		.page = 65536, .reported_page = 65536, .piece_order = 4,
		.holds_module = true,
	};
	struct client client;
	struct vt_counters c;
	struct vt_dev dev;
	struct ibv_mr *mr;

	ASSERT_EQ(0, client_open(&client, &type));
	ASSERT_EQ(0, vt_dev_open(&dev));
	mr = ibv_reg_mr(dev.pd, client.buf.mem.addr, client.buf.mem.length,
			VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, vt_counters_read(&client.kind, &c));
	EXPECT_EQ(0, c.alloc_mrs);
	EXPECT_EQ(1, client_calls(&client, 0).ranges);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_STREQ("", client_calls(&client, 0).calls);
	vt_dev_close(&dev);
	EXPECT_EQ(0, client_close(&client));
}

TEST_HARNESS_MAIN
