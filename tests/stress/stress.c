// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One round of stress, between two loads of the modules. See stress.h for who
 * is who, and stress.sh, which does the rounds.
 *
 * Four workers and an evictor run; at random a worker is killed and replaced,
 * and it is tried to unload modules, which are in use. At the end nothing may be
 * left of anything. Prints one line of "name=number", and exits 0 if all went as
 * it should; a number tells what did not.
 *
 * usage: stress SECONDS MOVES SEED [CGROUP]
 *
 * Ends when SECONDS have passed or MOVES pages moved; but not before something of
 * everything has happened, if that takes no more than four times as long. CGROUP
 * is the folder of a control group for the workers.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "stress.h"

#define SETTLE_MS 20000
#define KILL_MS 1000	/* at least, between two; and up to three times that */
#define UNLOAD_MS 700

struct run {
	struct shared *shared;
	const char *cgroup;
	uint64_t seed, drawn;
	pid_t worker[WORKERS];
	bool killed[WORKERS];
	pid_t evictor;
	unsigned long kills, ooms, unloads, failed, leaks, own;
	int64_t next_kill, next_unload;
	struct peer_vram_info first, last;
};

static uint64_t draw(struct run *run)
{
	return vt_pattern_word(run->seed, run->drawn++);
}

static void complain(struct run *run, const char *what, long detail)
{
	fprintf(stderr, "# %s (%ld)\n", what, detail);
	run->failed++;
}

/* ---- processes ---- */

static void start_worker(struct run *run, int i)
{
	uint64_t seed = draw(run);
	char path[256];
	pid_t pid, self = getpid();

	run->killed[i] = false;
	fflush(NULL);
	pid = fork();
	run->worker[i] = pid;
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(0);
	vt_write_file("/proc/self/oom_score_adj", "500");
	if (run->cgroup) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", run->cgroup);
		if (vt_write_file(path, "0"))
			_exit(3);
	}
	_exit(worker_run(run->shared, i, seed));
}

static void start_evictor(struct run *run)
{
	char answer = 'n';
	int ready[2];

	fflush(NULL);
	if (pipe(ready))
		exit(2);
	run->evictor = fork();
	if (!run->evictor) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		_exit(evictor_run(run->shared, draw(run), ready[1]));
	}
	close(ready[1]);
	if (read(ready[0], &answer, 1) != 1 || answer != 'y')
		complain(run, "no evictor", errno);
	close(ready[0]);
}

/* Killed by us, or because of too little memory: then there comes another. */
static void worker_ended(struct run *run, int i, int status)
{
	run->worker[i] = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		if (run->killed[i])
			run->kills++;
		else if (run->cgroup)
			run->ooms++;
		else
			complain(run, "a worker was killed", i);
	} else if (status || !atomic_load(&run->shared->stop)) {
		complain(run, "a worker failed", status);
	}
}

static void reap(struct run *run)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < WORKERS; i++)
			if (pid == run->worker[i])
				worker_ended(run, i, status);
		if (pid == run->evictor) {
			run->evictor = 0;
			if (status || !atomic_load(&run->shared->stop))
				complain(run, "the evictor failed", status);
		}
	}
}

static bool is_running(struct run *run)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (run->worker[i])
			return true;
	return run->evictor;
}

/* ---- chaos ---- */

static void kill_one(struct run *run)
{
	int i = draw(run) % WORKERS;

	/* The first one is hit at work; those that replace it, at any time. */
	if (run->worker[i] &&
	    atomic_load(&run->shared->tally[i].operations)) {
		run->killed[i] = true;
		kill(run->worker[i], SIGKILL);
	}
}

static void try_to_unload(struct run *run)
{
	static const char *const modules[] = {
		"peer_vram", "rdma_rxe", "ib_peer_mem",
	};
	const char *name = modules[draw(run) % 3];

	if (!syscall(SYS_delete_module, name, O_NONBLOCK))
		complain(run, "a module went that is in use", 0);
	else if (errno != EWOULDBLOCK && errno != EBUSY)
		complain(run, "unloading a module in use", errno);
	else
		run->unloads++;
}

static void chaos(struct run *run)
{
	int64_t now = vt_now_ms();
	int slow = vt_slow_kernel() ? 4 : 1;

	if (now > run->next_kill) {
		kill_one(run);
		run->next_kill = now + slow * (KILL_MS +
					       draw(run) % (2 * KILL_MS));
	}
	if (now > run->next_unload) {
		try_to_unload(run);
		run->next_unload = now + UNLOAD_MS;
	}
}

/* ---- counting ---- */

static int vram_info(struct peer_vram_info *info)
{
	int fd = open("/dev/peer_vram0", O_RDONLY | O_CLOEXEC);
	int ret;

	*info = (struct peer_vram_info){ .size = sizeof(*info) };
	ret = fd < 0 || ioctl(fd, PEER_VRAM_IOC_INFO, info) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return ret;
}

#define SUM(run, field) ({						\
	unsigned long sum = 0;						\
	int n;								\
	for (n = 0; n < WORKERS; n++)					\
		sum += atomic_load(&(run)->shared->tally[n].field);	\
	sum;								\
})

static unsigned long vram_moves(struct run *run)
{
	return (run->last.moves - run->first.moves) * OBJECT_PAGES;
}

static unsigned long moves(struct run *run)
{
	return vram_moves(run) + SUM(run, host_moves);
}

static uint64_t peer_counter(const char *name)
{
	char path[128];
	uint64_t value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/memory_peers/peer_vram/%s",
		 name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* Above what the kernel itself had at the start. */
static unsigned long left_over(void)
{
	static const char *const kinds[] = { "mr", "qp", "cq", "pd", "ctx" };
	struct vt_vram_info info;
	unsigned long left = 0;
	size_t i;

	if (vt_vram_info(&info))
		return 1;
	left += info.objects + (info.used + info.pinned + info.system_used) /
				PAGE;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		left += vt_resource_count(kinds[i]);
	left += peer_counter("num_alloc_mrs") - peer_counter("num_dealloc_mrs");
	left += peer_counter("num_reg_pages") - peer_counter("num_dereg_pages");
	return left;
}

static void look_for_leaks(struct run *run)
{
	int64_t until = vt_now_ms() + SETTLE_MS;

	do {
		run->leaks = left_over() - run->own;
		if (run->leaks)
			usleep(100000);
	} while (run->leaks && vt_now_ms() < until);
}

static void report(struct run *run)
{
	printf("moves=%lu vram_moves=%lu host_moves=%lu evictions=%" PRIu64
	       " swapouts=%" PRIu64 " substituted=%" PRIu64,
	       moves(run), vram_moves(run), SUM(run, host_moves),
	       (uint64_t)(run->last.evictions - run->first.evictions),
	       (uint64_t)(run->last.swapouts - run->first.swapouts),
	       (uint64_t)(run->last.substituted - run->first.substituted));
	printf(" operations=%lu compared=%lu wrong=%lu kills=%lu ooms=%lu",
	       SUM(run, operations), SUM(run, compared), SUM(run, wrong),
	       run->kills, run->ooms);
	printf(" destroyed=%lu revoked=%lu unmapped=%lu refused=%lu registered=%lu",
	       SUM(run, destroyed), SUM(run, revoked), SUM(run, unmapped),
	       SUM(run, refused), SUM(run, registered));
	printf(" faults=%" PRIu64 " invalidations=%" PRIu64
	       " unloads=%lu leaks=%lu failed=%lu\n",
	       peer_counter("num_faults"), peer_counter("num_invalidations"),
	       run->unloads, run->leaks, run->failed);
}

/* ---- the round ---- */

static bool was_everything(struct run *run)
{
	return run->kills && run->unloads && SUM(run, operations) &&
	       SUM(run, refused);
}

static void run_for(struct run *run, int64_t ms, unsigned long enough)
{
	int64_t start = vt_now_ms(), now = start;
	int i;

	run->next_kill = start + KILL_MS;
	while (!run->failed && now < start + 4 * ms &&
	       ((now < start + ms && moves(run) < enough) ||
		!was_everything(run))) {
		for (i = 0; i < WORKERS; i++)
			if (!run->worker[i])
				start_worker(run, i);
		chaos(run);
		usleep(20000);
		reap(run);
		if (vram_info(&run->last))
			complain(run, "no counters", errno);
		now = vt_now_ms();
	}
}

static void stop_all(struct run *run)
{
	int64_t until = vt_now_ms() + 2 * WAIT_MS;
	int i;

	atomic_store(&run->shared->stop, true);
	while (is_running(run) && vt_now_ms() < until) {
		usleep(20000);
		reap(run);
	}
	if (!is_running(run))
		return;
	complain(run, "a process does not end", 0);
	for (i = 0; i < WORKERS; i++)
		if (run->worker[i])
			kill(run->worker[i], SIGKILL);
	if (run->evictor)
		kill(run->evictor, SIGKILL);
}

int main(int argc, char **argv)
{
	struct run run = { 0 };

	if (argc < 4) {
		fprintf(stderr, "usage: stress SECONDS MOVES SEED [CGROUP]\n");
		return 2;
	}
	run.seed = strtoull(argv[3], NULL, 0);
	run.cgroup = argc > 4 ? argv[4] : NULL;
	run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.shared == MAP_FAILED)
		return 2;
	vt_write_file("/proc/self/oom_score_adj", "-1000");
	run.own = left_over();
	start_evictor(&run);
	if (vram_info(&run.first))
		complain(&run, "no counters", errno);
	run.last = run.first;
	run_for(&run, atoi(argv[1]) * 1000LL, strtoul(argv[2], NULL, 0));
	stop_all(&run);
	look_for_leaks(&run);
	report(&run);
	return run.failed || run.leaks || SUM(&run, wrong) ||
	       !SUM(&run, compared);
}
