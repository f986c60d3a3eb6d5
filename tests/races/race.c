// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See race.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "lib/proc.h"
#include "race.h"

#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

int run_operation(struct vt_link *link, enum kind kind)
{
	struct ibv_sge here = vt_sge(&link->here, 0, LENGTH);
	struct ibv_sge there = vt_sge(&link->there, 0, LENGTH);
	struct vt_remote remote = vt_remote(&link->there, 0);
	struct vt_end *end = &link->pair.end[0];

	switch (kind) {
	case READ:
		return vt_rdma_read(end, &here, 1, remote);
	case WRITE:
		return vt_rdma_write(end, &here, 1, remote);
	default:
		return vt_rdma_write(end, &there, 1, vt_remote(&link->here, 0));
	}
}

static void *operation_run(void *arg)
{
	struct operation *op = arg;

	op->status = run_operation(op->link, op->kind);
	return NULL;
}

int operation_start(struct operation *op, struct vt_link *link, enum kind kind,
		    const char *point)
{
	int ret;

	op->link = link;
	op->kind = kind;
	ret = pthread_create(&op->thread, NULL, operation_run, op);
	return ret ? -ret : hold_wait(point);
}

int operation_end(struct operation *op)
{
	pthread_join(op->thread, NULL);
	return op->status;
}

int kill_at(const char *point, void (*run)(const struct vt_mem_kind *kind),
	    const struct vt_mem_kind *kind)
{
	int ret = hold_arm(point, HOLD_LONG);
	pid_t pid;

	if (ret)
		return ret;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		run(kind);
		_exit(1);
	}
	ret = hold_wait(point);
	kill(pid, SIGKILL);
	usleep(100000);
	if (!ret && !hold_is_held(point))
		ret = -EAGAIN;
	hold_release(point);
	if (ret)
		return ret;
	ret = vt_wait_child(pid, 20000);
	return ret == 128 + SIGKILL ? 0 : ret ?: -ECHILD;
}

int race_open(struct vt_link *link, const struct vt_mem_kind *kind)
{
	return vt_link_open(link, kind, SIZE, ACCESS, NULL);
}

int race_open_second(struct vt_link *second, const struct vt_link *link)
{
	int ret;

	*second = *link;
	ret = vt_pair_open(&second->pair, &second->dev, NULL);
	if (!ret)
		ret = vt_buf_open(&second->here, &second->dev, &vt_mem_host,
				  SIZE, NULL);
	if (!ret)
		vt_buf_fill(&second->here, 3);
	return ret;
}

void race_close_second(struct vt_link *second)
{
	vt_buf_close(&second->here);
	vt_pair_close(&second->pair);
}

int race_unmap(struct vt_mem *mem)
{
	return munmap(mem->addr, mem->length) ? -errno : 0;
}

int race_replace(struct vt_mem *mem)
{
	return vt_mem_map_at(mem->kind, mem->addr, mem->length);
}

static void *blocked_call_run(void *arg)
{
	struct blocked_call *blocked = arg;

	atomic_store(&blocked->tid, gettid());
	while (!atomic_load(&blocked->go))
		usleep(1000);
	blocked->ret = blocked->call(blocked->link);
	return NULL;
}

int blocked_call_prepare(struct blocked_call *blocked, struct vt_link *link,
			 int (*call)(struct vt_link *link))
{
	memset(blocked, 0, sizeof(*blocked));
	blocked->link = link;
	blocked->call = call;
	return -pthread_create(&blocked->thread, NULL, blocked_call_run,
			       blocked);
}

static bool blocked_call_is_blocked(struct blocked_call *blocked)
{
	char path[64], stat[256], *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		 atomic_load(&blocked->tid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[n > 0 ? n : 0] = 0;
	name_end = strrchr(stat, ')');
	return name_end && !strncmp(name_end, ") D ", 4);
}

int blocked_call_start(struct blocked_call *blocked)
{
	int64_t until = vt_now_ms() + 10000;
	int seen = 0;

	atomic_store(&blocked->go, true);
	while (seen < 20) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(2000);
		seen = blocked_call_is_blocked(blocked) ? seen + 1 : 0;
	}
	return 0;
}

int blocked_call_finish(struct blocked_call *blocked)
{
	pthread_join(blocked->thread, NULL);
	return blocked->ret;
}

int check_read(struct vt_link *link)
{
	memcpy(link->here.shadow, link->there.shadow, LENGTH);
	return vt_buf_check(&link->here, 0, LENGTH);
}

int check_written(struct vt_link *link)
{
	memcpy(link->there.shadow, link->here.shadow, LENGTH);
	return vt_buf_check(&link->there, 0, LENGTH);
}
