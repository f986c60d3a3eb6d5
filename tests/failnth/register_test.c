// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration, reregistration, advice and deregistration of MRs while
 * allocations fail.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include <rdma/peer_mem.h>

#include "../maps/device.h"
#include "lib/raw.h"
#include "mr.h"
#include "state.h"

/* ---- fault injection itself ---- */

/* Only the selected allocation fails. */
TEST(injection_works)
{
	struct inject in;
	int fd[2], ret;

	ASSERT_EQ(0, inject_open(&in));
	EXPECT_EQ(0, inject_arm(&in, 1));
	ret = pipe(fd);
	EXPECT_EQ(1, inject_disarm(&in));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(0, inject_arm(&in, 100000));
	ret = pipe(fd);
	EXPECT_EQ(0, inject_disarm(&in));
	EXPECT_EQ(0, ret);
	close(fd[0]);
	close(fd[1]);
	inject_close(&in);
}

static int return_eio(void *env)
{
	char *buf = malloc(1 << 20);
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)env;
	free(buf);
	if (fd >= 0)
		close(fd);
	return -EIO;
}

static int ignore(void *env, int ret)
{
	(void)env;
	(void)ret;
	return 0;
}

/* A sweep detects a wrong errno, too few failures, and leaks. */
TEST(sweep_detects_wrong_errno)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = return_eio, .verify = ignore,
	};

	EXPECT_EQ(-EIO, sweep_run(&sweep, NULL));
}

static int do_nothing(void *env)
{
	(void)env;
	return 0;
}

TEST(sweep_detects_no_failure)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = do_nothing, .verify = ignore,
		.min_failures = 1,
	};

	EXPECT_EQ(-ENODATA, sweep_run(&sweep, NULL));
}

static int leak_descriptor(void *env)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)env;
	return fd < 0 ? -errno : 0;
}

TEST(sweep_detects_leak)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = leak_descriptor,
		.verify = ignore,
	};

	EXPECT_EQ(-EBUSY, sweep_run(&sweep, NULL));
}

/* ---- MRs ---- */

MR_VARIANT(vram, vram, VT_ACCESS_ALL);
MR_VARIANT(vram_system, vram_system, VT_ACCESS_ALL);
MR_VARIANT(vram_large, vram, VT_ACCESS_ALL, .length = 5 << 20);
MR_VARIANT(host, host, VT_ACCESS_ALL);
MR_VARIANT(peerdirect, peerdirect, VT_ACCESS_ALL);
MR_VARIANT(vram_on_demand, vram, ON_DEMAND);
MR_VARIANT(vram_system_on_demand, vram_system, ON_DEMAND);
MR_VARIANT(host_on_demand, host, ON_DEMAND);
MR_VARIANT(cmb, cmb, VT_ACCESS_ALL);
MR_VARIANT(cmb_on_demand, cmb, ON_DEMAND);
MR_VARIANT(peerdirect_on_demand, peerdirect, ON_DEMAND);
MR_VARIANT(vram_implicit, vram, ON_DEMAND, .implicit = true);
MR_VARIANT(vram_dmabuf, vram_dmabuf, VT_ACCESS_DMABUF);
MR_VARIANT(moving_dmabuf, moving, VT_ACCESS_DMABUF);
MR_VARIANT(vram_range, vram_range, VT_ACCESS_DMABUF);
MR_VARIANT(peerdirect_range, peerdirect_range, VT_ACCESS_DMABUF);
/* These take the device from peer_vram permanently: see CMakeLists.txt. */
MR_VARIANT(mapped, allowed, VT_ACCESS_ALL);
MR_VARIANT(mapped_on_demand, allowed, ON_DEMAND);

/* Allocates new memory each time: nothing may hold it afterwards. */
static int prepare_memory(void *env)
{
	return env_alloc(env);
}

static int call_register(void *env)
{
	return env_register(env);
}

static int verify_register(void *env, int ret)
{
	ret = ret ? 0 : env_check_access(env);
	return ret ? ret : env_destroy(env);
}

SWEEP(mr, reg_mr, .prepare = prepare_memory, .call = call_register,
      .verify = verify_register, .min_failures = on_demand(&self->w) ? 3 : 5)

/* With pages in the page table. */
static int prepare_used(void *env)
{
	int ret = env_create(env);

	return ret ? ret : env_check_access(env);
}

static int call_deregister(void *env)
{
	return env_deregister(env);
}

/* If deregistration failed, the MR exists and works. */
static int verify_deregister(void *env, int ret)
{
	if (ret)
		ret = env_check_access(env);
	return ret ? ret : env_destroy(env);
}

SWEEP(mr, dereg_mr, .prepare = prepare_used, .call = call_deregister,
      .verify = verify_deregister)

static int call_reregister(void *env)
{
	struct env *w = env;

	return vt_rereg_mr(w->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, w->access);
}

static int verify_used(void *env, int ret)
{
	ret = env_check_access(env);
	return ret ? ret : env_destroy(env);
}

SWEEP(mr, rereg_mr, .prepare = prepare_used, .call = call_reregister,
      .verify = verify_used)

/* ---- ranges exported as dma-bufs ---- */

static bool is_range(const struct env *w)
{
	return w->kind == &vt_mem_vram_range ||
	       w->kind == &vt_mem_peerdirect_range;
}

static int prepare_without_dmabuf(void *env)
{
	struct env *w = env;
	int ret = env_alloc(w);

	if (!ret)
		close(w->mem.dmabuf);
	w->mem.dmabuf = -1;
	return ret;
}

static int call_export(void *env)
{
	struct env *w = env;
	int fd = vt_export(w->mem.addr, w->length, PEER_MEM_EXPORT_WRITE);

	w->mem.dmabuf = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

static int verify_export(void *env, int ret)
{
	if (ret) {
		env_free(env);
		return 0;
	}
	ret = env_register(env);
	if (!ret)
		ret = env_check_access(env);
	return ret ? ret : env_destroy(env);
}

SWEEP_IF(mr, export, is_range(&self->w), "not a range",
	 .prepare = prepare_without_dmabuf, .call = call_export,
	 .verify = verify_export, .min_failures = 5)

/* ---- /dev/peer_mem ---- */

/* Return: 0 or -errno. */
static int call_node(unsigned long request, void *arg)
{
	int fd = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, request, arg) ? -errno : 0;
	close(fd);
	return ret;
}

/* A result of the query may have the error. */
static int call_query(void *env)
{
	struct env *w = env;
	struct peer_mem_query query = {
		.size = sizeof(query),
		.access = VT_ACCESS_ALL,
		.addr = (uintptr_t)w->mem.addr,
		.length = w->length,
	};
	int ret;

	strcpy(query.device, ibv_get_device_name(w->dev.ctx->device));
	ret = call_node(PEER_MEM_IOC_QUERY, &query);
	if (!ret && query.pinned.error)
		ret = -(int)query.pinned.error;
	if (!ret && query.on_demand.status == PEER_MEM_EXPORTER_FAILED)
		ret = -ENOMEM;
	return ret;
}

static int verify_memory(void *env, int ret)
{
	(void)ret;
	env_free(env);
	return 0;
}

SWEEP_IF(mr, query, self->w.kind == &vt_mem_vram, "not a variant of vram",
	 .prepare = prepare_memory, .call = call_query, .verify = verify_memory,
	 .min_failures = 2)

static int call_next_mr(void *env)
{
	struct peer_mem_mr mr = { .size = sizeof(mr) };

	(void)env;
	return call_node(PEER_MEM_IOC_NEXT_MR, &mr);
}

SWEEP_IF(mr, next_mr, self->w.kind == &vt_mem_vram, "not a variant of vram",
	 .prepare = prepare_used, .call = call_next_mr, .verify = verify_used,
	 .min_failures = 1)

/* ---- advice ---- */

static int prepare_fresh(void *env)
{
	return env_create(env);
}

static int advise(struct env *w, int advice, uint32_t flags)
{
	struct ibv_sge sge = env_sge(w, 0, w->length);

	return vt_advise_mr(w->dev.pd, advice, flags, &sge, 1);
}

static int call_prefetch_write(void *env)
{
	return advise(env, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int call_prefetch(void *env)
{
	return advise(env, IBV_ADVISE_MR_ADVICE_PREFETCH,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int call_prefetch_async(void *env)
{
	return advise(env, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0);
}

static int call_prefetch_no_fault(void *env)
{
	return advise(env, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int read_faults(uint64_t *faults)
{
	FILE *file = fopen("/sys/kernel/mm/memory_peers/peer_vram/num_faults",
			   "re");
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%lu", faults);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

/* If the prefetch succeeded, no page faults again. */
static int verify_prefetch_write(void *env, int ret)
{
	uint64_t before, after;
	int err = read_faults(&before);

	if (!err)
		err = env_check_access(env);
	if (!err)
		err = read_faults(&after);
	if (!err && !ret && before != after)
		err = -ESTALE;
	return err ? err : env_destroy(env);
}

/* EFAULT: hmm_range_fault() returns it for VM_FAULT_OOM. */
#define SWEEP_ADVICE(_name, _call, _settle, _whom)			\
	SWEEP_IF(mr, _name, on_demand(&self->w), "not on demand",	\
		 .prepare = prepare_fresh, .call = call_##_call,	\
		 .verify = _settle, .target = _whom, .min_failures = 1,	\
		 .errors = { self->w.kind == &vt_mem_host ? EFAULT : 0 })

SWEEP_ADVICE(prefetch_write, prefetch_write, verify_prefetch_write,
	     INJECT_SELF)
SWEEP_ADVICE(prefetch, prefetch, verify_used, INJECT_SELF)
SWEEP_ADVICE(prefetch_async, prefetch_async, verify_used, INJECT_SELF)
SWEEP_ADVICE(prefetch_no_fault, prefetch_no_fault, verify_used, INJECT_SELF)
/* A kworker runs the fault. */
SWEEP_ADVICE(prefetch_write_by_worker, prefetch_write,
	     verify_prefetch_write, INJECT_WORKERS_IN_CORE)
SWEEP_ADVICE(prefetch_by_worker, prefetch, verify_used,
	     INJECT_WORKERS_IN_CORE)

TEST_HARNESS_MAIN
