// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Clients that behave as those in the field do (tests/kmod/clients.h says how), in
 * all that may happen to a registration: each call into the client, in its order,
 * and no other; bytes; counters. An unmodified client of that kind may expect to be
 * treated so.
 *
 * Each test loads the client and unloads it.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "applies.h"
#include "client.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
/* What is written and read at once. */
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
	struct client_kind like;
};

typedef FIXTURE_DATA(client) client_t;

#define CLIENT_VARIANT(_name, ...)		\
	FIXTURE_VARIANT_ADD(client, _name)	\
	{					\
		.like = { __VA_ARGS__ },	\
	}

CLIENT_VARIANT(nv_peer_mem, .product = "nv_peer_mem", .name = "nv_mem",
	       .back = BACK_BY_ITSELF, .lacks = "", .page = 65536,
	       .counted = 65536, .order = 4, .stays = true, .two = true);
CLIENT_VARIANT(nvidia_peermem, .product = "nvidia-peermem", .name = "nv_mem",
	       .back = BACK_NEVER, .lacks = "", .page = 65536,
	       .counted = 65536, .order = 4, .stays = true);
CLIENT_VARIANT(amdgpu, .product = "amdgpu", .name = "amdkfd",
	       .back = BACK_NEVER, .lacks = "", .page = 4096, .counted = 4096,
	       .order = -1);
CLIENT_VARIANT(dmabuf_peer_mem, .product = "dmabuf_peer_mem",
	       .name = "dmabuf_peer_mem", .back = BACK_BY_CORE, .lacks = "",
	       .page = 4096, .counted = 4096, .order = -1);
CLIENT_VARIANT(npu, .product = "npu", .name = "npu_mem", .back = BACK_WITHIN,
	       .lacks = "S", .page = 4096, .counted = 4096, .order = -1);
CLIENT_VARIANT(devmm, .product = "devmm", .name = "devmm", .back = BACK_NEVER,
	       .lacks = "R", .page = 2097152, .counted = 2097152, .order = 9);
CLIENT_VARIANT(mlu, .product = "mlu", .name = "mlu_peer_mem",
	       .back = BACK_NEVER, .lacks = "", .page = 16384,
	       .counted = 16384, .order = -1);

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, client_open(&self->client, &variant->like));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->host, &self->dev, &vt_mem_host,
				 4 * PIECE, NULL));
	vt_buf_fill(&self->host, 2);
}

/* The tests leave no region behind. */
FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, client_errors(&self->client));
	EXPECT_EQ(0, client_calls_legal(&self->client));
	if (vt_module_is_loaded("peerdirect_clients"))
		EXPECT_EQ(0, vt_counters_balanced(&self->client.kind));
	EXPECT_EQ(0, vt_buf_close(&self->host));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, client_close(&self->client));
}

static struct ibv_mr *reg_middle(client_t *self, int access)
{
	return ibv_reg_mr(self->dev.pd, self->client.buf.mem.addr +
			  client_middle(&self->client),
			  client_length(&self->client), access);
}

static struct vt_remote middle_of(client_t *self, struct ibv_mr *mr,
				  uint64_t offset)
{
	return (struct vt_remote){
		(uintptr_t)self->client.buf.mem.addr +
		client_middle(&self->client) + offset, mr->rkey
	};
}

/* Pieces of the middle: its begin, where two of the device's pages meet, its end. */
static uint64_t piece_at(client_t *self, int piece)
{
	uint64_t page = self->client.like->page;
	uint64_t middle = client_middle(&self->client);

	switch (piece) {
	case 0:
		return 0;
	case 1:
		return (page < 65536 ? 4 : 1) * page - middle % page -
		       PIECE / 2;
	default:
		return client_length(&self->client) - PIECE;
	}
}

/* New bytes into the pieces; the status of the WRITEs. */
static int write_middle(client_t *self, struct ibv_mr *mr, uint64_t seed)
{
	uint8_t *shadow = self->client.buf.shadow +
			  client_middle(&self->client);
	struct ibv_sge sge;
	int i, ret = 0;

	vt_buf_fill(&self->host, seed);
	for (i = 0; !ret && i < PIECES; i++) {
		sge = vt_sge(&self->host, 77 + i * PIECE, PIECE);
		ret = vt_rdma_write(&self->pair.end[0], &sge, 1,
				    middle_of(self, mr, piece_at(self, i)));
		if (!ret)
			memcpy(shadow + piece_at(self, i),
			       self->host.shadow + 77 + i * PIECE, PIECE);
	}
	return ret;
}

/* The pieces, back; the status, or -EILSEQ. */
static int read_middle(client_t *self, struct ibv_mr *mr)
{
	uint8_t *shadow = self->client.buf.shadow +
			  client_middle(&self->client);
	struct ibv_sge sge;
	int i, ret = 0;

	vt_buf_fill(&self->host, 3);
	for (i = 0; !ret && i < PIECES; i++) {
		sge = vt_sge(&self->host, 99 + i * PIECE, PIECE);
		ret = vt_rdma_read(&self->pair.end[0], &sge, 1,
				   middle_of(self, mr, piece_at(self, i)));
		memcpy(self->host.shadow + 99 + i * PIECE,
		       shadow + piece_at(self, i), PIECE);
	}
	return ret ? ret : vt_buf_check_all(&self->host);
}

static void check_bytes(struct __test_metadata *_metadata, client_t *self,
			struct ibv_mr *mr, uint64_t seed)
{
	EXPECT_EQ(0, write_middle(self, mr, seed));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
	EXPECT_EQ(0, read_middle(self, mr));
}

/* The client's counters, for one range that is there, and @gone that went. */
static void check_counters(struct __test_metadata *_metadata, client_t *self,
			   uint64_t here, uint64_t gone)
{
	uint64_t start = client_middle(&self->client);
	uint64_t end = start + client_length(&self->client);
	uint64_t page = self->client.like->counted;
	uint64_t pages = (end - 1) / page - start / page + 1;
	uint64_t bytes = ((end + 4095) & -4096UL) - (start & -4096UL);
	struct vt_counters c;

	ASSERT_EQ(0, vt_counters_read(&self->client.kind, &c));
	EXPECT_EQ(here + gone, c.alloc_mrs);
	EXPECT_EQ((here + gone) * pages, c.reg_pages);
	EXPECT_EQ((here + gone) * bytes, c.reg_bytes);
	EXPECT_EQ(gone, c.dealloc_mrs);
	EXPECT_EQ(gone * pages, c.dereg_pages);
	EXPECT_EQ(gone * bytes, c.dereg_bytes);
}

TEST_F_TIMEOUT(client, registers, 60)
{
	struct ibv_mr *mr = reg_middle(self, VT_ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDS"));
	check_counters(_metadata, self, 1, 0);
	check_bytes(_metadata, self, mr, 4);
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSUPR"));
	check_counters(_metadata, self, 0, 1);
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);

	/* Read-only, and again. */
	mr = reg_middle(self, IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_middle(self, mr));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 2, "AGDSUPR"));
	check_counters(_metadata, self, 0, 2);
}

static void plan(struct __test_metadata *_metadata, client_t *self,
		 enum peer_test_event event, int error)
{
	struct peer_test_plan what = { event, error };

	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_PLAN, &what));
}

/* What the client says is what the program is told. */
TEST_F(client, refuses)
{
	struct ibv_mr *mr;

	plan(_metadata, self, PEER_TEST_FAIL_ACQUIRE, -EPERM);
	mr = reg_middle(self, VT_ACCESS_ALL);
	if (variant->like.two) {
		/* Its other client was asked, and had it. */
		ASSERT_NE(NULL, mr);
		EXPECT_EQ(0, ibv_dereg_mr(mr));
		EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSUPR"));
	} else {
		EXPECT_EQ(NULL, mr);
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_STREQ("e", client_calls(&self->client, 0).calls);
	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_CLEAR));

	plan(_metadata, self, PEER_TEST_FAIL_GET_PAGES, -ENOSPC);
	EXPECT_EQ(NULL, reg_middle(self, VT_ACCESS_ALL));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AgR"));

	plan(_metadata, self, PEER_TEST_FAIL_DMA_MAP, -ENODEV);
	EXPECT_EQ(NULL, reg_middle(self, VT_ACCESS_ALL));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, client_calls_are(&self->client, 2, "AGdPR"));

	mr = reg_middle(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 3, "AGDSUPR"));
}

/* Whatever is more than 0 is a yes. */
TEST_F(client, says_yes_otherwise)
{
	struct ibv_mr *mr;

	plan(_metadata, self, PEER_TEST_FAIL_ACQUIRE, 4096);
	mr = reg_middle(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSUPR"));
}

/* release() while the client unmaps by itself: good only if the program ends it. */
static uint64_t early_releases(client_t *self)
{
	struct peer_test_stats stats = { { 0 } };

	ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_STATS, &stats);
	return stats.count[PEER_TEST_EARLY_RELEASE];
}

/* The calls for a range whose memory went. */
static const char *calls_gone(client_t *self)
{
	switch (self->client.like->back) {
	case BACK_BY_CORE:
		return "AGDSIUPiR";
	case BACK_BY_ITSELF:
		return "AGDSIiFR";
	default:
		return "AGDSIupiFR";
	}
}

static int is_revoked(client_t *self, struct ibv_mr *mr)
{
	struct vt_buf middle = self->client.buf;

	middle.mr = mr;
	/* The first address of it that atomics can be at. */
	middle.iova = middle_of(self, mr, 0).addr;
	middle.iova += -middle.iova & 7;
	return vt_count_not_revoked(&self->dev, &middle);
}

TEST_F_TIMEOUT(client, memory_goes, 60)
{
	struct vt_counters c;
	struct ibv_mr *mr = reg_middle(self, VT_ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vt_mem_revoke(&self->client.buf.mem));
	if (variant->like.back == BACK_NEVER) {
		check_bytes(_metadata, self, mr, 4);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSUPR"));
		return;
	}
	/* It touches its context after its callback has returned. */
	EXPECT_EQ(0, early_releases(self));
	EXPECT_EQ(0, is_revoked(self, mr));
	EXPECT_FALSE(strchr(client_calls(&self->client, 1).calls, 'R'));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 1, calls_gone(self)));
	ASSERT_EQ(0, vt_counters_read(&self->client.kind, &c));
	EXPECT_EQ(1, c.free_callbacks);

	mr = reg_middle(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	check_bytes(_metadata, self, mr, 4);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 2, "AGDSUPR"));
}

/* A registration in the middle of which the memory goes: failed, or dead. */
static void check_gone_early(struct __test_metadata *_metadata, client_t *self)
{
	struct ibv_mr *mr = reg_middle(self, VT_ACCESS_ALL);

	if (mr) {
		/* Another thread's word may have come after the end. */
		EXPECT_EQ(0, client_wait_for(&self->client, 1, 'i'));
		EXPECT_EQ(0, is_revoked(self, mr));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	} else {
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(0, client_wait_for(&self->client, 1, 'i'));
	EXPECT_EQ(0, client_wait_for(&self->client, 1, 'R'));
	EXPECT_EQ(0, vt_buf_check_all(&self->client.buf));
}

TEST_F_TIMEOUT(client, memory_goes_before_dma_map, 60)
{
	if (variant->like.back == BACK_NEVER)
		DOES_NOT_APPLY(return, "memory of this client stays");
	plan(_metadata, self, PEER_TEST_INVALIDATE_BESIDE, 0);
	if (variant->like.back == BACK_BY_ITSELF) {
		/* It does not tell, and knows better than to map. */
		EXPECT_EQ(NULL, reg_middle(self, VT_ACCESS_ALL));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGxdPR"));
		return;
	}
	check_gone_early(_metadata, self);
	EXPECT_EQ(0, client_calls_are(&self->client, 1,
				      variant->like.back == BACK_BY_CORE ?
				      "AGIDSUPiR" : "AGIDSupiFR"));
}

/* The last moment: nobody may read the client's list afterwards. */
TEST_F_TIMEOUT(client, memory_goes_within_get_page_size, 60)
{
	if (variant->like.back != BACK_BY_CORE)
		DOES_NOT_APPLY(return, "this client does not do that");
	plan(_metadata, self, PEER_TEST_INVALIDATE_ASKED, 0);
	check_gone_early(_metadata, self);
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSIiUPR"));
}

static void *take_back(void *arg)
{
	client_t *self = arg;

	vt_mem_revoke(&self->client.buf.mem);
	return NULL;
}

/* Where a client that unmaps by itself has its lock on both ways. */
TEST_F_TIMEOUT(client, memory_goes_during_dereg, 120)
{
	int rounds = vt_slow_kernel() ? 15 : 60, met = 0, i;
	int fd = self->client.buf.mem.fd;
	pthread_t thread;
	struct ibv_mr *mr;

	if (variant->like.back == BACK_NEVER)
		DOES_NOT_APPLY(return, "memory of this client stays");
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, ioctl(fd, PEER_TEST_IOC_CLEAR));
		mr = reg_middle(self, VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, pthread_create(&thread, NULL, take_back, self));
		usleep(i * 20);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, client_wait_for(&self->client, 1, 'R'));
		ASSERT_EQ(0, client_calls_legal(&self->client));
		ASSERT_EQ(0, client_errors(&self->client));
		met += !!strchr(client_calls(&self->client, 1).calls, 'I');
	}
	TH_LOG("%d of %d met", met, rounds);
}

/*
 * The client's module goes while its memory does. Who holds its module as long as
 * a range is registered cannot go before.
 */
TEST_F_TIMEOUT(client, memory_goes_during_unregistering, 120)
{
	int rounds = vt_slow_kernel() ? 3 : 8, i;
	int fd = self->client.buf.mem.fd;
	pthread_t thread;
	struct ibv_mr *mr;

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, ioctl(fd, PEER_TEST_IOC_CLEAR));
		mr = reg_middle(self, VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, pthread_create(&thread, NULL, take_back, self));
		ASSERT_EQ(variant->like.stays, vt_rmmod("peerdirect_clients"));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		if (!variant->like.stays)
			EXPECT_EQ(0, is_revoked(self, mr));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
		ASSERT_EQ(0, client_calls_legal(&self->client));
		ASSERT_EQ(0, client_load(variant->like.product));
	}
	mr = reg_middle(self, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* ---- processes that end ---- */

/*
 * struct ending - how a process with memory ends
 * @access:       of its registration
 * @memory_first: opened before the RDMA device
 * @killed:       while get_pages() is under way
 */
struct ending {
	int access;
	bool memory_first;
	bool killed;
};

/* In a process of its own, which has nothing of its parent's. */
static void child_registers(client_t *self, const struct ending *ending)
{
	struct ibv_mr *mr;
	int error;

	vt_mem_free(&self->client.buf.mem);
	if (ending->memory_first && client_open_memory(&self->client))
		_exit(2);
	if (vt_dev_open(&self->dev) ||
	    vt_pair_open(&self->pair, &self->dev, NULL) ||
	    vt_buf_open(&self->host, &self->dev, &vt_mem_host, 4 * PIECE, NULL))
		_exit(3);
	if (!ending->memory_first && client_open_memory(&self->client))
		_exit(2);
	vt_buf_fill(&self->client.buf, 1);
	mr = reg_middle(self, ending->access);
	if (!mr)
		_exit(4);
	/* An on-demand one has no pages until then. */
	error = write_middle(self, mr, 5) || vt_buf_check_all(&self->client.buf);
	/* Its end is the parent's to choose, which may be slow. */
	while (ending->killed && !error)
		pause();
	_exit(error);
}

static void check_ending(struct __test_metadata *_metadata, client_t *self,
			 struct ending ending)
{
	pid_t pid;

	ASSERT_EQ(0, ioctl(self->client.buf.mem.fd, PEER_TEST_IOC_CLEAR));
	fflush(NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		child_registers(self, &ending);
	if (ending.killed) {
		EXPECT_EQ(0, client_wait_for(&self->client, 1, 'G'));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, VT_TIMEOUT_MS));
	} else {
		EXPECT_EQ(0, vt_wait_child(pid, 2 * VT_TIMEOUT_MS));
	}
	EXPECT_EQ(0, vt_counters_balanced(&self->client.kind));
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);
	if (!strchr(self->client.like->lacks, 'R'))
		EXPECT_EQ(0, client_wait_for(&self->client, 1, 'R'));
	EXPECT_EQ(0, client_calls_legal(&self->client));
	EXPECT_EQ(0, client_errors(&self->client));
}

TEST_F_TIMEOUT(client, process_ends, 120)
{
	struct ending ending = { .access = VT_ACCESS_ALL };

	check_ending(_metadata, self, ending);
	ending.memory_first = true;
	check_ending(_metadata, self, ending);
	ending.access = ON_DEMAND;
	check_ending(_metadata, self, ending);
	ending.memory_first = false;
	check_ending(_metadata, self, ending);
}

TEST_F_TIMEOUT(client, process_is_killed, 120)
{
	struct ending ending = { .access = VT_ACCESS_ALL, .killed = true };

	ASSERT_EQ(0, vt_write_file(DELAY, "300"));
	check_ending(_metadata, self, ending);
	ending.memory_first = true;
	check_ending(_metadata, self, ending);
	ending.access = ON_DEMAND;
	check_ending(_metadata, self, ending);
}

/* ---- on demand ---- */

TEST_F_TIMEOUT(client, on_demand, 60)
{
	struct ibv_mr *mr = reg_middle(self, ON_DEMAND);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, client_calls(&self->client, 0).ranges);
	check_bytes(_metadata, self, mr, 4);
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 1, "AGDSUPR"));
	EXPECT_EQ(1, client_calls(&self->client, 0).ranges);
}

/* It comes again by the next access. */
TEST_F_TIMEOUT(client, on_demand_memory_goes, 60)
{
	struct ibv_mr *mr;

	if (variant->like.back == BACK_NEVER)
		DOES_NOT_APPLY(return, "memory of this client stays");
	mr = reg_middle(self, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	check_bytes(_metadata, self, mr, 4);
	ASSERT_EQ(0, vt_mem_revoke(&self->client.buf.mem));
	if (variant->like.back == BACK_BY_ITSELF)
		EXPECT_EQ(0, early_releases(self));
	check_bytes(_metadata, self, mr, 5);
	EXPECT_EQ(0, client_wait_for(&self->client, 1, 'R'));
	EXPECT_EQ(0, client_calls_are(&self->client, 1, calls_gone(self)));
	EXPECT_EQ(0, client_calls_are(&self->client, 2, "AGDS"));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&self->client, 2, "AGDSUPR"));
}

/* ---- several clients ---- */

static const struct client_kind amdgpu = {
	.product = "devmm,amdgpu", .name = "amdkfd", .back = BACK_NEVER,
	.lacks = "", .page = 4096, .counted = 4096, .order = -1,
};

/* One says -ERRNO of memory that is not its own: the next one is asked. */
TEST(error_of_another)
{
	struct client client;
	struct vt_dev dev;
	struct ibv_mr *mr;
	void *elsewhere;
	__u64 nowhere = 0;

	ASSERT_EQ(0, client_open(&client, &amdgpu));
	ASSERT_EQ(0, vt_dev_open(&dev));
	elsewhere = mremap(client.buf.mem.addr, client.buf.mem.length,
			   client.buf.mem.length, MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)(CLIENT_WINDOW / 2));
	ASSERT_NE(MAP_FAILED, elsewhere);
	client.buf.mem.addr = elsewhere;
	ASSERT_EQ(0, ioctl(client.buf.mem.fd, PEER_TEST_IOC_PLACE, &nowhere));

	mr = ibv_reg_mr(dev.pd, elsewhere, client.buf.mem.length,
			VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_STREQ("e", client_calls(&client, 0).calls);
	EXPECT_EQ(0, client_calls_are(&client, 1, "AGDS"));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, client_calls_are(&client, 1, "AGDSUPR"));

	/* If it is nobody's, the error is what the program sees. */
	EXPECT_EQ(NULL, ibv_reg_mr(dev.pd, elsewhere,
				   client.buf.mem.length + 4096,
				   VT_ACCESS_ALL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_STREQ("eea", client_calls(&client, 0).calls);
	EXPECT_EQ(0, client_errors(&client));
	vt_dev_close(&dev);
	EXPECT_EQ(0, client_close(&client));
}

/* A product with two clients: the second is not asked for what the first has. */
TEST(second_client)
{
	const struct client_kind like = {
		.product = "nv_peer_mem", .name = "nv_mem_nc",
		.back = BACK_BY_ITSELF, .lacks = "", .page = 65536,
		.counted = 65536, .order = 4, .stays = true,
	};
	struct client client;
	struct vt_counters c;
	struct vt_dev dev;
	struct ibv_mr *mr;

	ASSERT_EQ(0, client_open(&client, &like));
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
