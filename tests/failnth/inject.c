// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * See inject.h.
 *
 * Any kworker may run the work of an unbound workqueue. All kworkers are armed,
 * each with its own counter. They also do other work, so only allocations with
 * a function of ib_peer_mem on the stack count.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"
#include "lib/proc.h"

#define DEBUGFS "/sys/kernel/debug/"

static const char *const faults[] = {
	DEBUGFS "failslab", DEBUGFS "fail_page_alloc",
};

/* Writes the attribute for both failslab and fail_page_alloc. */
static int write_knob(const char *name, const char *value)
{
	char path[128];
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(faults) / sizeof(faults[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", faults[i], name);
		ret = vt_write_file(path, value);
	}
	return ret;
}

/* Limits failures to allocations below the functions from @start to @end. */
static int set_range(const char *start, const char *end)
{
	int ret;

	if (!start || !end)
		return -EOPNOTSUPP;
	ret = write_knob("require-start", start);
	return ret ? ret : write_knob("require-end", end);
}

static int open_nth(const char *task)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%s/fail-nth", task);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fcntl(fd, F_DUPFD_CLOEXEC, INJECT_FIRST_FD);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int write_nth(int fd, unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, length, 0) == length ? 0 : -errno;
}

/* Reads the number of allocations that are left. */
static int read_nth(int fd, unsigned int *n)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return errno ? -errno : -EIO;
	*n = strtoul(text, NULL, 10);
	return 0;
}

/* ---- kworkers ---- */

static bool is_worker(pid_t pid)
{
	char path[64], name[32] = "";
	bool is = false;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, name, sizeof(name) - 1) > 0)
		is = !strncmp(name, "kworker/", 8);
	close(fd);
	return is;
}

static int add_worker(struct inject *in, pid_t pid)
{
	char task[16];
	int fd;

	if (in->num_workers == INJECT_WORKERS)
		return -ENOSPC;
	snprintf(task, sizeof(task), "%d", pid);
	fd = open_nth(task);
	/* The kworker has exited. */
	if (fd == -ENOENT || fd == -ESRCH)
		return 0;
	if (fd < 0)
		return fd;
	in->workers[in->num_workers].pid = pid;
	in->workers[in->num_workers].fd = fd;
	in->num_workers++;
	return 1;
}

/* Finds new kworkers. Return: how many, or -errno. */
static int find_workers(struct inject *in)
{
	DIR *proc = opendir("/proc");
	pid_t newest = in->newest;
	struct dirent *entry;
	int found = 0, ret = 0;
	pid_t pid;

	if (!proc)
		return -errno;
	while (ret >= 0 && (entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		if (pid <= in->newest)
			continue;
		if (pid > newest)
			newest = pid;
		ret = is_worker(pid) ? add_worker(in, pid) : 0;
		if (ret > 0)
			found++;
	}
	closedir(proc);
	in->newest = newest;
	return ret < 0 ? ret : found;
}

static void drop_worker(struct inject *in, int i)
{
	close(in->workers[i].fd);
	in->workers[i] = in->workers[--in->num_workers];
}

static int arm_workers(struct inject *in, unsigned int n)
{
	int ret = find_workers(in);
	int i;

	for (i = 0; ret >= 0 && i < in->num_workers; i++) {
		ret = write_nth(in->workers[i].fd, n);
		if (ret == -ESRCH) {
			drop_worker(in, i--);
			ret = 0;
		}
	}
	return ret < 0 ? ret : 0;
}

static int disarm_workers(struct inject *in)
{
	bool happened = false;
	unsigned int left;
	int i, ret;

	for (i = 0; i < in->num_workers; i++) {
		ret = read_nth(in->workers[i].fd, &left);
		if (!ret)
			ret = write_nth(in->workers[i].fd, 0);
		if (ret && ret != -ESRCH)
			return ret;
		if (ret)
			drop_worker(in, i--);
		else
			happened |= !left;
	}
	if (happened)
		return 1;
	ret = find_workers(in);
	return ret > 0 ? -EAGAIN : ret;
}

/* ---- interface ---- */

int inject_open(struct inject *in)
{
	memset(in, 0, sizeof(*in));
	if (!getenv("FAILNTH_CORE_START"))
		return -EOPNOTSUPP;
	in->self = open_nth("thread-self");
	return in->self < 0 ? in->self : inject_set_target(in, INJECT_SELF);
}

void inject_close(struct inject *in)
{
	while (in->num_workers)
		drop_worker(in, 0);
	close(in->self);
}

int inject_set_target(struct inject *in, enum inject_target target)
{
	in->target = target;
	if (target == INJECT_SELF)
		return set_range("0x0", "0xffffffffffffffff");
	if (target == INJECT_SELF_IN_VRAM)
		return set_range(getenv("FAILNTH_VRAM_START"),
				 getenv("FAILNTH_VRAM_END"));
	return set_range(getenv("FAILNTH_CORE_START"),
			 getenv("FAILNTH_CORE_END"));
}

int inject_arm(struct inject *in, unsigned int n)
{
	if (in->target == INJECT_WORKERS_IN_CORE)
		return arm_workers(in, n);
	return write_nth(in->self, n);
}

int inject_disarm(struct inject *in)
{
	unsigned int left;
	int ret;

	if (in->target == INJECT_WORKERS_IN_CORE)
		return disarm_workers(in);
	ret = read_nth(in->self, &left);
	if (!ret)
		ret = write_nth(in->self, 0);
	return ret ? ret : !left;
}
