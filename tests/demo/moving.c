// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Part of the demo: an on-demand MR on video memory under steady traffic, while
 * its pages are moved and evicted. Every byte is compared twice: as RDMA READ
 * returns it, and as peer_vram reads it.
 *
 * Three threads: one writes, reads back and compares; one moves and evicts; the
 * main thread prints the counters once a second. The program ends after SECONDS,
 * if there were enough moves and evictions by then. It fails if it takes five
 * times as long, if a byte is wrong, or if an operation fails.
 *
 * usage: moving SECONDS
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define MIB (1024 * 1024)
#define OBJECT (8 * MIB)
#define MESSAGE (64 * 1024)
#define DEPTH 16
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define ENOUGH_MOVES 50
#define ENOUGH_EVICTIONS 10

/* Buffers that fill the VRAM, so that other BOs are evicted. */
#define HOG (32 * MIB)
#define MAX_HOGS 64

struct moving {
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf paged;	/* video memory, on demand */
	struct vt_buf source;	/* host memory, pinned: source of WRITE */
	struct vt_buf back;	/* host memory, pinned: target of READ */
	pthread_t threads[2];
	int have_threads;
	atomic_bool stop;
	atomic_int failed;	/* errno, or a completion's status */
	atomic_uint_least64_t written, compared, wrong;
};

struct counters {
	uint64_t faults, invalidations, moves, evictions;
};

static void fail(struct moving *self, const char *what, int status)
{
	if (!atomic_exchange(&self->failed, status ? status : EIO))
		printf("moving: %s: %s\n", what, status < 0 ?
			strerror(-status) : ibv_wc_status_str(status));
	atomic_store(&self->stop, true);
}

/* ---- traffic, with several messages in flight, as in ib_write_bw ---- */

static int post(struct moving *self, enum ibv_wr_opcode opcode,
		struct vt_buf *local, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(local, offset, MESSAGE);
	struct vt_remote remote = vt_remote(&self->paged, offset);
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = {
			.remote_addr = remote.addr,
			.rkey = remote.rkey,
		},
	};

	return vt_post_send(&self->pair.end[0], &wr);
}

/* Transfers the whole BO in one direction. */
static int stream(struct moving *self, enum ibv_wr_opcode opcode,
		  struct vt_buf *local)
{
	uint64_t posted = 0, done = 0;
	struct ibv_wc wc;
	int ret = 0;

	while (!ret && done < OBJECT) {
		if (posted < OBJECT && posted - done < DEPTH * MESSAGE) {
			ret = post(self, opcode, local, posted);
			posted += MESSAGE;
			continue;
		}
		ret = vt_wait(&self->pair.end[0], &wc, VT_TIMEOUT_MS);
		if (!ret)
			ret = wc.status;
		done += MESSAGE;
	}
	return ret;
}

static void compare(struct moving *self, const uint8_t *have)
{
	const uint8_t *want = self->source.mem.addr;
	uint64_t wrong = 0;
	size_t i;

	if (memcmp(have, want, OBJECT))
		for (i = 0; i < OBJECT; i++)
			wrong += have[i] != want[i];
	atomic_fetch_add(&self->wrong, wrong);
	atomic_fetch_add(&self->compared, OBJECT);
}

static int traffic_round(struct moving *self, uint8_t *owners, uint64_t seed)
{
	int ret;

	vt_pattern_fill(self->source.mem.addr, seed, 0, OBJECT);
	ret = stream(self, IBV_WR_RDMA_WRITE, &self->source);
	if (ret)
		return ret;
	atomic_fetch_add(&self->written, OBJECT);
	ret = stream(self, IBV_WR_RDMA_READ, &self->back);
	if (ret)
		return ret;
	compare(self, self->back.mem.addr);
	ret = vt_mem_read(&self->paged.mem, 0, owners, OBJECT);
	if (ret)
		return ret;
	compare(self, owners);
	return 0;
}

static void *traffic(void *arg)
{
	struct moving *self = arg;
	uint8_t *owners = malloc(OBJECT);
	uint64_t seed = 1;
	int ret = owners ? 0 : -ENOMEM;

	while (!ret && !atomic_load(&self->stop))
		ret = traffic_round(self, owners, seed++);
	if (ret)
		fail(self, "traffic", ret);
	free(owners);
	return NULL;
}

/* ---- moves ---- */

static int vram_ioctl(struct moving *self, unsigned long request, void *arg)
{
	return ioctl(self->paged.mem.fd, request, arg) ? -errno : 0;
}

static int move_to(struct moving *self, enum peer_vram_domain domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move),
		.handle = self->paged.mem.handle,
		.domain = domain,
	};

	return vram_ioctl(self, PEER_VRAM_IOC_MOVE, &move);
}

static int evictions(struct moving *self, uint64_t *count)
{
	struct peer_vram_info info = { .size = sizeof(info) };
	int ret = vram_ioctl(self, PEER_VRAM_IOC_INFO, &info);

	*count = info.evictions;
	return ret;
}

/* Fills the VRAM with other BOs until a BO is evicted. */
static int evict(struct moving *self)
{
	struct peer_vram_handle hogs[MAX_HOGS];
	uint64_t before, now;
	int n = 0, ret;

	ret = evictions(self, &before);
	for (now = before; !ret && now == before && n < MAX_HOGS;) {
		struct peer_vram_create hog = {
			.size = sizeof(hog),
			.length = HOG,
		};

		ret = vram_ioctl(self, PEER_VRAM_IOC_CREATE, &hog);
		if (ret)
			break;
		hogs[n++] = (struct peer_vram_handle){
			.size = sizeof(*hogs),
			.handle = hog.handle,
		};
		ret = evictions(self, &now);
	}
	while (n--)
		vram_ioctl(self, PEER_VRAM_IOC_CLOSE, &hogs[n]);
	return ret;
}

static void *mover(void *arg)
{
	struct moving *self = arg;
	unsigned int n = 0;
	int ret = 0;

	while (!ret && !atomic_load(&self->stop)) {
		switch (n++ % 4) {
		case 0:
			ret = evict(self);
			break;
		case 2:
			ret = move_to(self, PEER_VRAM_DOMAIN_VRAM);
			break;
		default:
			ret = move_to(self, PEER_VRAM_DOMAIN_SYSTEM);
			break;
		}
		usleep(50000);
	}
	if (ret)
		fail(self, "moving", ret);
	return NULL;
}

/* ---- the report ---- */

static int read_counters(struct moving *self, struct counters *counters)
{
	struct peer_vram_info info = { .size = sizeof(info) };
	struct vt_mr_counters mr = {};
	int ret = vram_ioctl(self, PEER_VRAM_IOC_INFO, &info);

	if (!ret)
		ret = vt_mr_counters_read(&mr);
	counters->moves = info.moves;
	counters->evictions = info.evictions;
	counters->faults = mr.faults;
	counters->invalidations = mr.invalidations;
	return ret;
}

static void report(struct moving *self, const char *when,
		   const struct counters *now, const struct counters *start)
{
	printf("  %6s %8" PRIu64 " %9" PRIu64 " %7" PRIu64 " %14" PRIu64
	       " %6" PRIu64 " %10" PRIu64 " %12" PRIu64 "\n",
	       when, atomic_load(&self->written) / MIB,
	       atomic_load(&self->compared) / MIB, now->faults,
	       now->invalidations, now->moves - start->moves,
	       now->evictions - start->evictions, atomic_load(&self->wrong));
	fflush(stdout);
}

static bool is_enough(const struct counters *now, const struct counters *start)
{
	return now->moves - start->moves >= ENOUGH_MOVES &&
	       now->evictions - start->evictions >= ENOUGH_EVICTIONS;
}

static void sleep_until(int64_t ms)
{
	int64_t left = ms - vt_now_ms();

	if (left > 0)
		usleep(left * 1000);
}

static int start_threads(struct moving *self)
{
	int ret = pthread_create(&self->threads[0], NULL, traffic, self);

	if (ret)
		return -ret;
	ret = pthread_create(&self->threads[1], NULL, mover, self);
	self->have_threads = !ret ? 2 : 1;
	return -ret;
}

static void watch(struct moving *self, int seconds)
{
	int64_t begin = vt_now_ms();
	struct counters start, now;
	char when[24];
	int64_t s = 0;
	int ret;

	printf("         written  compared    page           page\n"
	       "  second     MiB       MiB  faults  invalidations  moves  evictions  wrong bytes\n");
	ret = read_counters(self, &start);
	now = start;
	report(self, "before", &now, &start);
	if (!ret)
		ret = start_threads(self);
	while (!ret && !atomic_load(&self->stop) &&
	       (s < seconds || !is_enough(&now, &start))) {
		if (s >= 5 * seconds) {
			fail(self, "too few moves", -ETIMEDOUT);
			break;
		}
		s++;
		sleep_until(begin + s * 1000);
		ret = read_counters(self, &now);
		snprintf(when, sizeof(when), "%" PRId64, s);
		report(self, when, &now, &start);
	}
	if (ret)
		fail(self, "counters", ret);
	atomic_store(&self->stop, true);
}

static int open_all(struct moving *self)
{
	struct vt_buf_opts opts = { .access = ACCESS };
	struct vt_pair_opts pair = { .depth = DEPTH };
	int ret;

	ret = vt_dev_open(&self->dev);
	if (!ret)
		ret = vt_pair_open(&self->pair, &self->dev, &pair);
	if (!ret)
		ret = vt_buf_open(&self->source, &self->dev, &vt_mem_host,
				  OBJECT, NULL);
	if (!ret)
		ret = vt_buf_open(&self->back, &self->dev, &vt_mem_host, OBJECT,
				  NULL);
	if (!ret)
		ret = vt_buf_open(&self->paged, &self->dev, &vt_mem_vram,
				  OBJECT, &opts);
	return ret;
}

int main(int argc, char **argv)
{
	static struct moving self;
	int seconds = argc == 2 ? atoi(argv[1]) : 0;
	int ret;

	if (seconds < 1) {
		fprintf(stderr, "usage: moving SECONDS\n");
		return 2;
	}
	ret = open_all(&self);
	if (ret) {
		printf("moving: setup failed: %s\n", strerror(-ret));
		return 1;
	}
	watch(&self, seconds);
	while (self.have_threads--)
		pthread_join(self.threads[self.have_threads], NULL);
	printf("  %" PRIu64 " bytes compared, %" PRIu64 " wrong bytes\n",
	       atomic_load(&self.compared), atomic_load(&self.wrong));
	return atomic_load(&self.failed) || atomic_load(&self.wrong) ||
	       !atomic_load(&self.compared);
}
