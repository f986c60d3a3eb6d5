// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Unloading rdma_rxe while a program uses its device. Up to Linux 6, the kernel refuses it.
 * From Linux 7 on, rdma_rxe takes the objects of the program away (disassociation): its
 * next call fails, nothing hangs, and the exporters get back what was registered.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/counters.h"
#include "lib/link.h"
#include "lib/proc.h"

#define SIZE (64 * 1024)
#define DELAY "/sys/module/peerdirect_test/parameters/delay_ms"
/* The program and the removal end within this time. */
#define BOUND_MS 20000

/* What the program tells; in shared memory. */
struct told {
	atomic_uint writes;
	atomic_bool go_on;
};

FIXTURE(removal)
{
	struct told *told;
	pid_t program;
};

FIXTURE_VARIANT(removal)
{
	const struct vt_mem_kind *kind;
	int on_demand;
	const char *delay_ms;	/* of each fault */
};

#define PINNED(memory)							\
	FIXTURE_VARIANT_ADD(removal, memory) { .kind = &vt_mem_##memory }
#define ON_DEMAND(memory)						\
	FIXTURE_VARIANT_ADD(removal, on_demand_##memory) {		\
		.kind = &vt_mem_##memory,				\
		.on_demand = IBV_ACCESS_ON_DEMAND,			\
	}
PINNED(host);
PINNED(vram);
PINNED(cmb);
ON_DEMAND(host);
ON_DEMAND(vram);
ON_DEMAND(peerdirect);
FIXTURE_VARIANT_ADD(removal, during_a_fault)
{
	.kind = &vt_mem_peerdirect,
	.on_demand = IBV_ACCESS_ON_DEMAND,
	.delay_ms = "1000",
};

/* Writes until a call fails, or until it is told to end. Return: 0 if it was told. */
static int program_run(const FIXTURE_VARIANT(removal) *variant, struct told *told)
{
	struct vt_link link;
	int ret = vt_link_open(&link, variant->kind, SIZE,
			       VT_ACCESS_ALL | variant->on_demand, NULL);
	struct ibv_sge sge = vt_sge(&link.here, 0, SIZE);

	while (!ret && atomic_load(&told->go_on)) {
		/* Not ready: counted before, because the write waits for its page. */
		if (variant->delay_ms)
			atomic_fetch_add(&told->writes, 1);
		ret = vt_rdma_write(&link.pair.end[0], &sge, 1, vt_remote(&link.there, 0));
		atomic_fetch_add(&told->writes, 1);
	}
	/* Calls of the end must return too, with or without an error. */
	vt_link_close(&link);
	return ret ? 1 : 0;
}

static bool writes_more(struct told *told)
{
	unsigned int before = atomic_load(&told->writes);
	int64_t until = vt_now_ms() + BOUND_MS;

	while (atomic_load(&told->writes) == before && vt_now_ms() < until)
		usleep(1000);
	return atomic_load(&told->writes) != before;
}

FIXTURE_SETUP(removal)
{
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->told);
	atomic_store(&self->told->go_on, true);
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	if (variant->delay_ms)
		ASSERT_EQ(0, vt_write_file(DELAY, variant->delay_ms));
	fflush(NULL);
	self->program = fork();
	ASSERT_LE(0, self->program);
	if (!self->program)
		_exit(program_run(variant, self->told));
	ASSERT_TRUE(writes_more(self->told));
}

FIXTURE_TEARDOWN(removal)
{
	struct vt_link link;

	if (variant->delay_ms)
		vt_write_file(DELAY, "0");
	if (!vt_module_is_loaded("rdma_rxe"))
		ASSERT_EQ(0, system("vm/guest/rxe.sh extended"));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(0, vt_link_open(&link, variant->kind, SIZE,
				  VT_ACCESS_ALL | variant->on_demand, NULL));
	EXPECT_EQ(0, vt_link_close(&link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

TEST_F_TIMEOUT(removal, under_use, 120)
{
	int64_t start = vt_now_ms();

	if (!syscall(SYS_delete_module, "rdma_rxe", O_NONBLOCK)) {
		EXPECT_GT(BOUND_MS, vt_now_ms() - start);
		EXPECT_EQ(1, vt_wait_child(self->program, BOUND_MS));
		return;
	}
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_TRUE(writes_more(self->told));
	atomic_store(&self->told->go_on, false);
	EXPECT_EQ(0, vt_wait_child(self->program, BOUND_MS));
}

TEST_HARNESS_MAIN
