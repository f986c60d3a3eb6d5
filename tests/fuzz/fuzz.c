// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * fuzz --seed S --count N [--threads T] [--user UID] [--time S] [-v]
 *
 * Runs N random operations in each thread, and checks for leaks at the end. With
 * one thread each result is compared with the expected one, and two runs with the
 * same seed have the same hash. Several threads race for the same resources. With
 * --user the operations run without privileges.
 *
 *   fuzz --seed 1 --count 20000                  short run
 *   fuzz --seed $RANDOM --count 5000000 --time 3600              long runs
 *   fuzz --seed $RANDOM --count 200000 --threads 4 --time 3600
 *
 * On failure it prints the seed, the operation, and the operations before it; with
 * -v it prints all operations. Exit status: 0 success, 1 failure, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdma/ib_user_verbs.h>
#include <rdma/peer_bar.h>

#include "call.h"
#include "fuzz.h"
#include "lib/counters.h"
#include "lib/proc.h"

struct options {
	uint64_t seed, count;
	unsigned int threads, seconds;
	uid_t user;
	bool verbose;
};

static struct options options = { .seed = 1, .count = 10000, .threads = 1,
				  .seconds = 120 };
static struct fz_trace *traces;
static struct fz_world world = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct fz_op *const tables[] = {
	fz_ops_ioctl, fz_ops_fd, fz_ops_map, fz_ops_mr,
	fz_ops_raw, fz_ops_rdma, fz_ops_node, fz_ops_cmb, fz_ops_dma,
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct fz_op *random_op(struct fz_rng *rng)
{
	const struct fz_op *op;
	uint64_t total = 0, at;
	size_t i;

	for (i = 0; i < TABLES; i++)
		for (op = tables[i]; op->func; op++)
			total += op->weight;
	at = fz_below(rng, total);
	for (i = 0; i < TABLES; i++)
		for (op = tables[i]; op->func; op++) {
			if (at < op->weight)
				return op;
			at -= op->weight;
		}
	return NULL;
}

/* ---- threads ---- */

static void *map_pages(uintptr_t addr, size_t length)
{
	void *got = mmap((void *)addr, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return got == MAP_FAILED ? NULL : got;
}

static void run_open(struct fz_run *run, unsigned int number)
{
	run->world = &world;
	run->trace = &traces[number];
	run->trace->verbose = options.verbose;
	run->rng.state = fz_hash(options.seed) + fz_hash(number + 1);
	run->scratch = map_pages(FZ_THREAD(number), FZ_SCRATCH);
	run->args = map_pages(FZ_THREAD(number) + (1UL << 29), FZ_PAGE);
	if (!run->scratch || !run->args)
		fz_fail(run, "out of memory");
	run->scratch_mr = ibv_reg_mr(world.dev.pd, run->scratch, FZ_SCRATCH,
				     IBV_ACCESS_LOCAL_WRITE |
				     IBV_ACCESS_REMOTE_WRITE |
				     IBV_ACCESS_REMOTE_READ);
	if (!run->scratch_mr || vt_pair_open(&run->pair, &world.dev, NULL))
		fz_fail(run, "cannot create MR or queue pair");
}

static void run_close(struct fz_run *run)
{
	vt_pair_close(&run->pair);
	if (ibv_dereg_mr(run->scratch_mr))
		fz_fail(run, "cannot deregister the scratch buffer");
}

static void *run_thread(void *arg)
{
	struct fz_run *run = arg;
	uint64_t n;

	for (n = 0; n < options.count; n++)
		random_op(&run->rng)->func(run);
	return NULL;
}

/* ---- process under test ---- */

static void dma_open(struct fz_run *run)
{
	char name[8];
	int i;

	world.engine = en_open();
	if (world.engine < 0)
		fz_fail(run, "cannot open the DMA engine");
	for (i = 0; i < EDU_RDMA_DEVICES; i++) {
		snprintf(name, sizeof(name), "edu%d", i);
		if (im_open(&world.dma_devs[i], name, IM_IOCTL))
			fz_fail(run, "cannot open device %s", name);
	}
	for (i = 0; i < FZ_DMA_MRS; i++)
		world.dma_mrs[i].mr.bo = FZ_NO_BO;
}

static void dma_close(struct fz_run *run)
{
	int i;

	for (i = 0; i < FZ_DMA_MRS; i++)
		if (world.dma_mrs[i].mr.used &&
		    im_dereg_mr(&world.dma_mrs[i].im))
			fz_fail(run, "cannot deregister DMA MR %d", i);
	for (i = 0; i < EDU_RDMA_DEVICES; i++)
		im_close(&world.dma_devs[i]);
	close(world.engine);
}

static void world_open(struct fz_run *run)
{
	struct peer_vram_info info = { .size = sizeof(info) };
	int i, fd;

	for (i = 0; i < FZ_FILES; i++)
		world.files[i].fd = -1;
	for (i = 0; i < FZ_DMABUFS; i++)
		world.dmabufs[i].fd = -1;
	for (i = 0; i < FZ_MRS; i++)
		world.mrs[i].bo = FZ_NO_BO;
	world.racing = options.threads > 1;
	world.privileged = !options.user;
	/* setuid() clears "dumpable"; a normal process of the user has it. */
	if (options.user &&
	    (setuid(options.user) || prctl(PR_SET_DUMPABLE, 1)))
		fz_fail(run, "cannot become user %u", options.user);
	fd = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, PEER_VRAM_IOC_INFO, &info) ||
	    vt_dev_open(&world.dev) || vt_dev_open(&world.victim))
		fz_fail(run, "cannot open /dev/peer_vram0 or RDMA device");
	close(fd);
	world.vram_size = info.vram_size;
	dma_open(run);
}

static void world_close(struct fz_run *run)
{
	struct ib_uverbs_dereg_mr cmd;
	int i;

	for (i = 0; i < FZ_MRS; i++) {
		if (!world.mrs[i].used)
			continue;
		cmd.mr_handle = world.mrs[i].handle;
		if (fz_verbs(world.dev.ctx, IB_USER_VERBS_CMD_DEREG_MR, &cmd,
			     sizeof(cmd), NULL, 0))
			fz_fail(run, "cannot deregister MR %d", i);
	}
	dma_close(run);
	munmap((void *)FZ_ARENA, FZ_PAGES * FZ_PAGE);
	for (i = 0; i < FZ_FILES; i++)
		if (world.files[i].fd >= 0)
			close(world.files[i].fd);
	for (i = 0; i < FZ_DMABUFS; i++)
		if (world.dmabufs[i].fd >= 0)
			close(world.dmabufs[i].fd);
	vt_dev_close(&world.victim);
	vt_dev_close(&world.dev);
}

static int run_fuzzer(void)
{
	static struct fz_run runs[FZ_THREADS];
	pthread_t threads[FZ_THREADS];
	unsigned int i;

	runs[0].trace = &traces[0];
	world_open(&runs[0]);
	for (i = 0; i < options.threads; i++)
		run_open(&runs[i], i);
	for (i = 0; i < options.threads; i++)
		if (pthread_create(&threads[i], NULL, run_thread, &runs[i]))
			fz_fail(&runs[0], "cannot create thread");
	for (i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < options.threads; i++)
		run_close(&runs[i]);
	world_close(&runs[0]);
	return 0;
}

/* ---- supervisor ---- */

struct state {
	struct peer_vram_info info;
	struct peer_bar_info cmb;
	int mrs, qps, cqs, pds, dma_mrs;
};

static int info_read(const char *node, unsigned long nr, void *info)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);
	int ret = fd < 0 || ioctl(fd, nr, info) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

/* Return: the number of MRs of all DMA importers, or -errno. */
static int dma_mrs(void)
{
	struct edu_rdma_stats stats;
	int engine = en_open(), mrs = 0, ret = 0;
	unsigned int i;

	if (engine < 0)
		return engine;
	for (i = 0; i < EDU_RDMA_DEVICES && !ret; i++) {
		ret = en_stats(engine, i, &stats);
		mrs += stats.mrs;
	}
	close(engine);
	return ret ?: mrs;
}

static int state_read(struct state *state)
{
	int ret;

	*state = (struct state){
		.info.size = sizeof(state->info),
		.cmb.size = sizeof(state->cmb),
	};
	ret = info_read("/dev/peer_vram0", PEER_VRAM_IOC_INFO, &state->info);
	if (!ret)
		ret = info_read(vt_mem_cmb.node, PEER_BAR_IOC_INFO,
				&state->cmb);
	state->mrs = vt_resource_count("mr");
	state->qps = vt_resource_count("qp");
	state->cqs = vt_resource_count("cq");
	state->pds = vt_resource_count("pd");
	state->dma_mrs = dma_mrs();
	return ret;
}

static bool states_equal(const struct state *a, const struct state *b)
{
	return a->info.objects == b->info.objects &&
	       a->info.vram_used == b->info.vram_used &&
	       a->info.vram_pinned == b->info.vram_pinned &&
	       a->info.system_used == b->info.system_used &&
	       a->info.creatable == b->info.creatable &&
	       a->cmb.available == b->cmb.available &&
	       a->cmb.allocations == b->cmb.allocations &&
	       a->mrs == b->mrs && a->qps == b->qps && a->cqs == b->cqs &&
	       a->pds == b->pds && a->dma_mrs == b->dma_mrs;
}

/* Retries, because work items release some resources later. */
static int check_leaks(const struct state *before)
{
	struct state after;
	int tries;

	for (tries = 0; tries < 50; tries++) {
		if (state_read(&after))
			return -ENODEV;
		if (states_equal(before, &after))
			return vt_counters_balanced(&vt_mem_vram) ?:
			       vt_counters_balanced(&vt_mem_cmb);
		usleep(100000);
	}
	fprintf(stderr, "# leaked: %lld BOs, %lld bytes of VRAM, %lld bytes pinned, %lld bytes of system memory, %lld bytes of CMB, %d MRs, %d QPs, %d CQs, %d PDs, %d DMA MRs\n",
		(long long)(after.info.objects - before->info.objects),
		(long long)(after.info.vram_used - before->info.vram_used),
		(long long)(after.info.vram_pinned - before->info.vram_pinned),
		(long long)(after.info.system_used - before->info.system_used),
		(long long)(before->cmb.available - after.cmb.available),
		after.mrs - before->mrs, after.qps - before->qps,
		after.cqs - before->cqs, after.pds - before->pds,
		after.dma_mrs - before->dma_mrs);
	return -EBUSY;
}

static void print_traces(void)
{
	const struct fz_trace *trace;
	unsigned int i;
	uint64_t n;

	for (i = 0; i < options.threads; i++) {
		trace = &traces[i];
		fprintf(stderr, "# thread %u, operation %" PRIu64 ": %s\n", i,
			trace->count, trace->message);
		n = trace->count > FZ_RING ? trace->count - FZ_RING : 0;
		for (; n < trace->count; n++)
			fz_print_record(&trace->ring[n % FZ_RING]);
	}
}

static uint64_t combined_hash(uint64_t *count)
{
	uint64_t hash = 0;
	unsigned int i;

	*count = 0;
	for (i = 0; i < options.threads; i++) {
		hash ^= traces[i].hash;
		*count += traces[i].count;
	}
	return hash;
}

static int supervise(void)
{
	struct state before;
	int64_t begin = vt_now_ms();
	uint64_t hash, count;
	pid_t pid;
	int ret;

	if (en_load() || en_set_bridges("all")) {
		fprintf(stderr, "cannot load edu_rdma.ko: build the test modules\n");
		return 1;
	}
	if (vt_mem_prepare(&vt_mem_cmb) || state_read(&before)) {
		fprintf(stderr, "cannot open /dev/peer_vram0 or /dev/peer_cmb0: modprobe peer_vram peer_cmb\n");
		return 1;
	}
	pid = fork();
	if (!pid)
		_exit(run_fuzzer());
	ret = pid < 0 ? -errno :
	      vt_wait_child(pid, options.seconds * 1000 *
				 (vt_slow_kernel() ? 4 : 1));
	if (ret)
		print_traces();
	if (ret == -ETIMEDOUT)
		fprintf(stderr, "# timeout after %u s\n", options.seconds);
	if (!ret)
		ret = check_leaks(&before);
	hash = combined_hash(&count);
	printf("# seed %" PRIu64 ", threads %u, user %u: %" PRIu64 " calls in %" PRId64 " ms, hash %016" PRIx64 ": %s (%d)\n",
	       options.seed, options.threads, options.user, count,
	       vt_now_ms() - begin, hash, ret ? "failed" : "good", ret);
	return ret ? 1 : 0;
}

/* ---- options ---- */

static int usage(void)
{
	fprintf(stderr, "usage: fuzz --seed S --count N [--threads T (1 to %d)] [--user UID] [--time SECONDS] [-v]\n",
		FZ_THREADS);
	return 2;
}

static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "threads", required_argument, NULL, 't' },
		{ "user", required_argument, NULL, 'u' },
		{ "time", required_argument, NULL, 'T' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "v", longs, NULL)) >= 0) {
		uint64_t value = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			options.seed = value;
			break;
		case 'c':
			options.count = value;
			break;
		case 't':
			options.threads = value;
			break;
		case 'u':
			options.user = value;
			break;
		case 'T':
			options.seconds = value;
			break;
		case 'v':
			options.verbose = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind < argc || !options.threads ||
	       options.threads > FZ_THREADS ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	if (parse(argc, argv))
		return usage();
	traces = mmap(NULL, sizeof(*traces) * FZ_THREADS,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (traces == MAP_FAILED)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return supervise();
}
