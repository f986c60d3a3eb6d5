// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations on absent pages while their faults lack memory. Work items of
 * Soft-RoCE and the core run the faults, so the allocations of kworkers fail.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "lib/pattern.h"
#include "sweep.h"
#include "env.h"

#define LENGTH 6000UL

/* Offset of the operation in the MR. The other side uses offset 0. */
#define AT (3 * page_size() + 100)

FIXTURE(access)
{
	struct env w;
};

/* @brief: skips operations that differ only in which side faults */
FIXTURE_VARIANT(access)
{
	struct env w;
	bool brief;
};

#define ACCESS_VARIANT(_name, _kind, _brief, ...)			\
	FIXTURE_VARIANT_ADD(access, _name)				\
	{								\
		.w = {							\
			.kind = &vt_mem_##_kind,			\
			.access = ON_DEMAND,				\
			__VA_ARGS__					\
		},							\
		.brief = _brief,					\
	}

ACCESS_VARIANT(vram_system, vram_system, false);
ACCESS_VARIANT(host, host, false);
ACCESS_VARIANT(peerdirect, peerdirect, true);
ACCESS_VARIANT(vram_implicit, vram_system, true, .implicit = true);

FIXTURE_SETUP(access)
{
	self->w = variant->w;
	ASSERT_EQ(0, env_open(&self->w));
}

FIXTURE_TEARDOWN(access)
{
	EXPECT_EQ(0, env_close(&self->w));
}

/* Stores the data to transfer on the side that sends it. */
static int prepare(struct env *w, bool from_region)
{
	int ret = env_create(w);

	if (ret)
		return ret;
	vt_pattern_fill(w->other.shadow, ++w->seed, 0, LENGTH);
	if (from_region)
		return vt_mem_write(&w->mem, AT, w->other.shadow, LENGTH);
	memcpy(w->other.mem.addr, w->other.shadow, LENGTH);
	return 0;
}

static int prepare_into(void *env)
{
	return prepare(env, false);
}

static int prepare_from(void *env)
{
	return prepare(env, true);
}

/* The operation may fail with an error of the local or the remote memory. */
static int result(int status)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:
	case IBV_WC_REM_OP_ERR:
	case IBV_WC_LOC_PROT_ERR:
	case IBV_WC_LOC_QP_OP_ERR:
	/* Soft-RoCE reports this instead of LOC_PROT_ERR. */
	case IBV_WC_WR_FLUSH_ERR:
		return -EIO;
	}
	return status > 0 ? -EPROTO : status;
}

/* ---- operations ---- */

static int call_write(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = vt_sge(&w->other, 0, LENGTH);

	return result(vt_rdma_write(&w->pair.end[0], &sge, 1,
				    env_remote(w, AT)));
}

static int call_read(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = vt_sge(&w->other, 0, LENGTH);

	return result(vt_rdma_read(&w->pair.end[0], &sge, 1,
				   env_remote(w, AT)));
}

static int call_local_write(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = env_sge(w, AT, LENGTH);

	return result(vt_rdma_write(&w->pair.end[0], &sge, 1,
				    vt_remote(&w->other, 0)));
}

static int call_local_read(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = env_sge(w, AT, LENGTH);

	return result(vt_rdma_read(&w->pair.end[0], &sge, 1,
				   vt_remote(&w->other, 0)));
}

static int call_receive(void *env)
{
	struct env *w = env;
	struct ibv_sge from = vt_sge(&w->other, 0, LENGTH);
	struct ibv_sge to = env_sge(w, AT, LENGTH);
	struct ibv_wc wc = {};

	return result(vt_send_recv(&w->pair, &from, 1, &to, 1, &wc));
}

static int compare(struct env *w, const uint8_t *have, size_t length)
{
	ssize_t at = vt_first_diff(have, w->other.shadow, length);

	if (at < 0)
		return 0;
	fprintf(stderr, "# byte %zd is %02x, want %02x\n", at, have[at],
		w->other.shadow[at]);
	return -EILSEQ;
}

/* Everything works afterwards. Renews the queue pairs after an error. */
static int finish(struct env *w, int ret, bool renew)
{
	if (!ret && renew)
		ret = vt_pair_renew(&w->pair);
	if (!ret)
		ret = env_check_access(w);
	return ret ? ret : env_destroy(w);
}

static int verify_into(void *env, int ret)
{
	struct env *w = env;
	uint8_t have[LENGTH];
	bool failed = ret;

	ret = vt_mem_read(&w->mem, AT, have, LENGTH);
	if (!ret && !failed)
		ret = compare(w, have, LENGTH);
	return finish(w, ret, failed);
}

static int verify_from(void *env, int ret)
{
	struct env *w = env;
	bool failed = ret;

	ret = failed ? 0 : compare(w, w->other.mem.addr, LENGTH);
	return finish(w, ret, failed);
}

/* Adds to a word with known content, and reads it. */
static int call_fetch_add(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);

	return result(vt_fetch_add(&w->pair.end[0], &sge,
				   env_remote(w, AT + 4), 1));
}

static int verify_fetch_add(void *env, int ret)
{
	struct env *w = env;
	uint64_t have, want;
	bool failed = ret;

	memcpy(&want, w->other.shadow + 4, 8);
	ret = vt_mem_read(&w->mem, AT + 4, &have, 8);
	/* The operation was done once, or not at all. */
	if (!ret && have != want + !failed)
		ret = -EILSEQ;
	if (!ret && !failed && memcmp(w->other.mem.addr, &want, 8))
		ret = -EILSEQ;
	return finish(w, ret, failed);
}

#define SWEEP_ACCESS(_name, _arrange, _settle, _always)			\
	SWEEP_IF(access, _name, _always || !variant->brief,		\
		 "covered by other variants",				\
		 .prepare = _arrange, .call = call_##_name,		\
		 .verify = _settle, .errors = { EIO },			\
		 .target = INJECT_WORKERS_IN_CORE, .min_failures = 2)

SWEEP_ACCESS(write, prepare_into, verify_into, true)
SWEEP_ACCESS(read, prepare_from, verify_from, false)
SWEEP_ACCESS(local_write, prepare_from, verify_from, true)
SWEEP_ACCESS(local_read, prepare_into, verify_into, false)
SWEEP_ACCESS(receive, prepare_into, verify_into, false)
SWEEP_ACCESS(fetch_add, prepare_from, verify_fetch_add, false)

TEST_HARNESS_MAIN
