// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See scene.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "lib/proc.h"
#include "scene.h"

#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

int operate(struct vt_link *scene, enum kind kind)
{
	struct ibv_sge here = vt_sge(&scene->here, 0, LENGTH);
	struct ibv_sge there = vt_sge(&scene->there, 0, LENGTH);
	struct vt_remote remote = vt_remote(&scene->there, 0);
	struct vt_end *end = &scene->pair.end[0];

	switch (kind) {
	case READ:
		return vt_rdma_read(end, &here, 1, remote);
	case WRITE:
		return vt_rdma_write(end, &here, 1, remote);
	default:
		return vt_rdma_write(end, &there, 1, vt_remote(&scene->here, 0));
	}
}

static void *operation_run(void *arg)
{
	struct operation *op = arg;

	op->status = operate(op->scene, op->kind);
	return NULL;
}

int operation_start(struct operation *op, struct vt_link *scene, enum kind kind,
		    const char *point)
{
	int ret;

	op->scene = scene;
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
	if (!ret && !hold_held(point))
		ret = -EAGAIN;
	hold_let_go(point);
	if (ret)
		return ret;
	ret = vt_wait_child(pid, 20000);
	return ret == 128 + SIGKILL ? 0 : ret ?: -ECHILD;
}

int scene_open(struct vt_link *scene, const struct vt_mem_kind *kind)
{
	return vt_link_open(scene, kind, SIZE, ACCESS, NULL);
}

int scene_second(struct vt_link *second, const struct vt_link *scene)
{
	int ret;

	*second = *scene;
	ret = vt_pair_open(&second->pair, &second->dev, NULL);
	if (!ret)
		ret = vt_buf_open(&second->here, &second->dev, &vt_mem_host,
				  SIZE, NULL);
	if (!ret)
		vt_buf_fill(&second->here, 3);
	return ret;
}

void scene_second_close(struct vt_link *second)
{
	vt_buf_close(&second->here);
	vt_pair_close(&second->pair);
}

int scene_unmap(struct vt_mem *mem)
{
	return munmap(mem->addr, mem->length) ? -errno : 0;
}

int scene_replace(struct vt_mem *mem)
{
	return vt_mem_map_at(mem->kind, mem->addr, mem->length);
}

static void *ending_run(void *arg)
{
	struct ending *ending = arg;

	atomic_store(&ending->tid, gettid());
	while (!atomic_load(&ending->go))
		usleep(1000);
	ending->ret = ending->end(ending->scene);
	return NULL;
}

int ending_prepare(struct ending *ending, struct vt_link *scene,
		   int (*end)(struct vt_link *scene))
{
	memset(ending, 0, sizeof(*ending));
	ending->scene = scene;
	ending->end = end;
	return -pthread_create(&ending->thread, NULL, ending_run, ending);
}

static bool ending_waits(struct ending *ending)
{
	char path[64], stat[256], *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		 atomic_load(&ending->tid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[n > 0 ? n : 0] = 0;
	name_end = strrchr(stat, ')');
	return name_end && !strncmp(name_end, ") D ", 4);
}

int ending_start(struct ending *ending)
{
	int64_t until = vt_now_ms() + 10000;
	int seen;

	atomic_store(&ending->go, true);
	for (seen = 0; seen < 20; seen = ending_waits(ending) ? seen + 1 : 0) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(2000);
	}
	return 0;
}

int ending_finish(struct ending *ending)
{
	pthread_join(ending->thread, NULL);
	return ending->ret;
}

int check_read(struct vt_link *scene)
{
	memcpy(scene->here.shadow, scene->there.shadow, LENGTH);
	return vt_buf_check(&scene->here, 0, LENGTH);
}

int check_written(struct vt_link *scene)
{
	memcpy(scene->there.shadow, scene->here.shadow, LENGTH);
	return vt_buf_check(&scene->there, 0, LENGTH);
}
