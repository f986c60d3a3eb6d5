// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One round of stress, between two loads of the modules. stress.h lists the
 * processes; stress.sh runs the rounds.
 *
 * Four workers and an evictor run. At random times a worker is killed and
 * replaced, and an unload of a module in use is tried. Nothing may be left at
 * the end. Prints one line of "name=number". Exits with 0 if everything was as
 * expected; the numbers tell what was not.
 *
 * usage: stress SECONDS MOVES SEED [CGROUP]
 *
 * Ends when SECONDS have passed or MOVES pages have moved. It continues, up to
 * four times as long, until each kind of event has happened. CGROUP is the
 * directory of a control group for the workers.
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
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "stress.h"

#define SETTLE_MS 20000
#define KILL_MS 1000	/* minimum between two kills, maximum is three times that */
#define UNLOAD_MS 700

struct run {
	struct shared *shared;
	const char *cgroup;
	uint64_t seed, num_random;
	pid_t worker[WORKERS];
	bool killed[WORKERS];
	pid_t evictor;
	unsigned long kills, ooms, unloads, failed, leaks, own;
	int64_t next_kill, next_unload;
	struct peer_vram_info first, last;
};

static uint64_t next_random(struct run *run)
{
	return vt_pattern_word(run->seed, run->num_random++);
}

static void report_failure(struct run *run, const char *what, long detail)
{
	fprintf(stderr, "# %s (%ld)\n", what, detail);
	run->failed++;
}

/* ---- processes ---- */

static void start_worker(struct run *run, int i)
{
	uint64_t seed = next_random(run);
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
		_exit(evictor_run(run->shared, next_random(run), ready[1]));
	}
	close(ready[1]);
	if (read(ready[0], &answer, 1) != 1 || answer != 'y')
		report_failure(run, "evictor did not start", errno);
	close(ready[0]);
}

/* A worker that this program or the OOM killer has killed is replaced. */
static void worker_ended(struct run *run, int i, int status)
{
	run->worker[i] = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		if (run->killed[i])
			run->kills++;
		else if (run->cgroup)
			run->ooms++;
		else
			report_failure(run, "worker was killed", i);
	} else if (status || !atomic_load(&run->shared->stop)) {
		report_failure(run, "worker failed", status);
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
				report_failure(run, "evictor failed", status);
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

/* ---- random events ---- */

static void kill_one(struct run *run)
{
	int i = next_random(run) % WORKERS;

	/*
	 * Kill the first worker while it runs operations, its successors at any
	 * time.
	 */
	if (run->worker[i] &&
	    atomic_load(&run->shared->counters[i].operations)) {
		run->killed[i] = true;
		kill(run->worker[i], SIGKILL);
	}
}

/*
 * From Linux 7 on, rdma_rxe can be unloaded while programs use it: it takes their objects
 * away (disassociation).
 */
static bool rxe_can_leave(void)
{
	struct utsname name;

	return !uname(&name) && atoi(name.release) >= 7;
}

static void try_unload(struct run *run)
{
	static const char *const modules[] = {
		"peer_vram", "ib_peer_mem", "rdma_rxe",
	};
	const char *name = modules[next_random(run) % (rxe_can_leave() ? 2 : 3)];

	if (!syscall(SYS_delete_module, name, O_NONBLOCK))
		report_failure(run, "module in use was unloaded", 0);
	else if (errno != EWOULDBLOCK && errno != EBUSY)
		report_failure(run, "unexpected errno of an unload", errno);
	else
		run->unloads++;
}

static void random_events(struct run *run)
{
	int64_t now = vt_now_ms();
	int slow = vt_slow_kernel() ? 4 : 1;

	if (now > run->next_kill) {
		kill_one(run);
		run->next_kill = now + slow * (KILL_MS +
					       next_random(run) % (2 * KILL_MS));
	}
	if (now > run->next_unload) {
		try_unload(run);
		run->next_unload = now + UNLOAD_MS;
	}
}

/* ---- counters ---- */

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
		sum += atomic_load(&(run)->shared->counters[n].field);	\
	sum;								\
})

static unsigned long vram_moves(struct run *run)
{
	return (run->last.moves - run->first.moves) * BO_PAGES;
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

/* Counts what is left, including what the kernel had at the start. */
static unsigned long count_leftovers(void)
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

static void check_leaks(struct run *run)
{
	int64_t until = vt_now_ms() + SETTLE_MS;

	do {
		run->leaks = count_leftovers() - run->own;
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

static bool all_events_seen(struct run *run)
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
		!all_events_seen(run))) {
		for (i = 0; i < WORKERS; i++)
			if (!run->worker[i])
				start_worker(run, i);
		random_events(run);
		usleep(20000);
		reap(run);
		if (vram_info(&run->last))
			report_failure(run, "no counters", errno);
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
	report_failure(run, "process does not exit", 0);
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
	run.own = count_leftovers();
	start_evictor(&run);
	if (vram_info(&run.first))
		report_failure(&run, "no counters", errno);
	run.last = run.first;
	run_for(&run, atoi(argv[1]) * 1000LL, strtoul(argv[2], NULL, 0));
	stop_all(&run);
	check_leaks(&run);
	report(&run);
	return run.failed || run.leaks || SUM(&run, wrong) ||
	       !SUM(&run, compared);
}
