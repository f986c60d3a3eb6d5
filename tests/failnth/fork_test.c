// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * fork() of a process that maps a BO, while allocations fail. It is a separate,
 * statically linked program: fork() allocates for each mapping of the process,
 * and shared libraries have many.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../vram/vram.h"
#include "sweep.h"

#define LENGTH (128 * KIB)
#define SEED 5

struct forker {
	int fd;
	char *map;
	pid_t child;
};

static int call_fork(void *env)
{
	struct forker *f = env;

	f->child = fork();
	if (f->child < 0)
		return -errno;
	if (!f->child)
		_exit(pattern_check(f->map, LENGTH, SEED, 0) < 0 ? 0 : 1);
	return 0;
}

static int verify_fork(void *env, int ret)
{
	struct forker *f = env;
	int status = 0;

	if (!ret && waitpid(f->child, &status, 0) != f->child)
		return -errno;
	if (status || pattern_check(f->map, LENGTH, SEED, 0) >= 0)
		return -EILSEQ;
	return 0;
}

FIXTURE(mapping)
{
	struct forker w;
};

FIXTURE_SETUP(mapping)
{
	struct forker *f = &self->w;

	f->fd = vram_open(O_RDWR);
	ASSERT_LE(0, f->fd);
	f->map = vram_map(f->fd, 0, LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, f->map);
	pattern_fill(f->map, LENGTH, SEED, 0);
}

FIXTURE_TEARDOWN(mapping)
{
	EXPECT_EQ(0, munmap(self->w.map, LENGTH));
	EXPECT_EQ(0, close(self->w.fd));
	EXPECT_EQ(0, vram_wait_empty(10));
}

SWEEP(mapping, fork, .call = call_fork, .verify = verify_fork,
      .errors = { EAGAIN }, .min_failures = 20)

TEST_HARNESS_MAIN
