// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See scene.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "lib/proc.h"
#include "scene.h"

#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

int operate(struct scene *scene, enum kind kind)
{
	struct ibv_sge local = vt_sge(&scene->local, 0, LENGTH);
	struct ibv_sge odp = vt_sge(&scene->odp, 0, LENGTH);
	struct vt_end *end = &scene->pair.end[0];

	switch (kind) {
	case READ:
		return vt_rdma_read(end, &local, 1, vt_remote(&scene->odp, 0));
	case WRITE:
		return vt_rdma_write(end, &local, 1, vt_remote(&scene->odp, 0));
	default:
		return vt_rdma_write(end, &odp, 1, vt_remote(&scene->local, 0));
	}
}

static void *operation_run(void *arg)
{
	struct operation *op = arg;

	op->status = operate(op->scene, op->kind);
	return NULL;
}

int operation_start(struct operation *op, struct scene *scene, enum kind kind,
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

int scene_open(struct scene *scene, const struct vt_mem_kind *kind)
{
	struct vt_buf_opts opts = { .access = ACCESS };
	struct vt_pair_opts pair = { 0 };
	int ret;

	ret = vt_dev_open(&scene->dev);
	if (!ret)
		ret = vt_pair_open(&scene->pair, &scene->dev, &pair);
	if (!ret)
		ret = vt_buf_open(&scene->local, &scene->dev, &vt_mem_host,
				  SIZE, NULL);
	if (!ret)
		ret = vt_buf_open(&scene->odp, &scene->dev, kind, SIZE, &opts);
	if (ret)
		return ret;
	vt_buf_fill(&scene->local, 1);
	vt_buf_fill(&scene->odp, 2);
	return 0;
}

int scene_close(struct scene *scene)
{
	int ret = vt_buf_close(&scene->odp);

	vt_buf_close(&scene->local);
	vt_pair_close(&scene->pair);
	vt_dev_close(&scene->dev);
	return ret;
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

int ending_prepare(struct ending *ending, struct scene *scene,
		   int (*end)(struct scene *scene))
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

int check_read(struct scene *scene)
{
	memcpy(scene->local.shadow, scene->odp.shadow, LENGTH);
	return vt_buf_check(&scene->local, 0, LENGTH);
}

int check_written(struct scene *scene)
{
	memcpy(scene->odp.shadow, scene->local.shadow, LENGTH);
	return vt_buf_check(&scene->odp, 0, LENGTH);
}
