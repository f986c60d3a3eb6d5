// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMAV_FORK_SAFE: a child may lack memory that is registered at the fork. After
 * deregistration children inherit it again, device memory like host memory.
 */
#include <kselftest_harness.h>

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/verbs.h"

#define PAGE page_size()
#define PAGES 16
#define SIZE (PAGES * PAGE)

/* libibverbs reads the variable when it is initialized. */
__attribute__((constructor)) static void fork_safe(void)
{
	setenv("RDMAV_FORK_SAFE", "1", 1);
}

FIXTURE(fork)
{
	struct vt_dev dev;
	struct vt_mem mem;
};

FIXTURE_VARIANT(fork)
{
	const struct vt_mem_kind *kind;
	int access;
};

FIXTURE_VARIANT_ADD(fork, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(fork, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(fork, cmb) { .kind = &vt_mem_cmb };
FIXTURE_VARIANT_ADD(fork, on_demand_vram)
{
	.kind = &vt_mem_vram, .access = IBV_ACCESS_ON_DEMAND,
};

FIXTURE_SETUP(fork)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
	memset(self->mem.addr, 1, SIZE);
}

FIXTURE_TEARDOWN(fork)
{
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* Return: the number of pages that a child has. */
static int pages_of_child(const struct vt_mem *mem)
{
	int status, pages = 0;
	size_t at;
	pid_t pid;

	for (at = 0; at < mem->length; at += PAGE) {
		fflush(NULL);
		pid = fork();
		if (!pid) {
			volatile uint8_t byte;

			signal(SIGSEGV, SIG_DFL);
			byte = mem->addr[at];
			_exit(byte != 1);
		}
		waitpid(pid, &status, 0);
		pages += WIFEXITED(status) && !WEXITSTATUS(status);
	}
	return pages;
}

/*
 * Does the kernel undo MADV_DONTFORK for mappings of drivers, when libibverbs asks for it?
 * Linux 7.3 refuses for all that cannot be expanded, such as the vDSO. Asking about the
 * exporter's own mapping would hide a mapping that is VM_IO.
 */
static bool undoes_dontfork(void)
{
	return !madvise((void *)getauxval(AT_SYSINFO_EHDR), PAGE, MADV_DOFORK);
}

TEST_F_TIMEOUT(fork, inherited_after_deregistration, 60)
{
	struct ibv_mr *mr;

	if (variant->kind != &vt_mem_host && !variant->access && !undoes_dontfork())
		DOES_NOT_APPLY(return, "this kernel does not undo MADV_DONTFORK");
	EXPECT_EQ(PAGES, pages_of_child(&self->mem));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
			IBV_ACCESS_LOCAL_WRITE | variant->access);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(PAGES, pages_of_child(&self->mem));

	/* A part of a page. */
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr + PAGE, 100,
			IBV_ACCESS_LOCAL_WRITE | variant->access);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(PAGES, pages_of_child(&self->mem));
}

TEST_HARNESS_MAIN
