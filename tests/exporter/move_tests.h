/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory that moves. An on-demand MR always has the right bytes. A pinned MR has them,
 * too, or fails with an error completion, because the exporter has revoked it.
 */
#ifndef EXPORTER_MOVE_TESTS_H
#define EXPORTER_MOVE_TESTS_H

#include "command.h"
#include "fixture.h"
#include "lib/copy.h"
#include "traffic.h"

FIXTURE(move)
{
	VT_LINK;
	atomic_bool stop;	/* of count_up() */
};

ET_VARIANTS(move);

FIXTURE_SETUP(move)
{
	if (!et_options.move)
		SKIP(return, "no command that moves memory (--move)");
	et_open(_metadata, &self->link, variant->on_demand);
}

FIXTURE_TEARDOWN(move)
{
	et_close(_metadata, &self->link);
}

static int num_moves(void)
{
	return vt_slow_kernel() ? 8 : 25;
}

/*
 * Moves the memory. The exporter may refuse only if it is pinned. Return: 1 if it has
 * refused.
 */
static int do_move(struct __test_metadata *_metadata, FIXTURE_DATA(move) *self,
		   int on_demand)
{
	int status = et_command(et_options.move, self->there.mem.fd);

	EXPECT_LE(0, status);
	if (on_demand)
		EXPECT_EQ(0, status) TH_LOG("the memory is not pinned");
	return !!status;
}

/* More of the same would show nothing new. */
#define MAX_REFUSED 3

/* The status of an access after a move, which may have revoked a pinned MR. */
static void expect_status(struct __test_metadata *_metadata, int on_demand,
			  int status)
{
	if (status != IBV_WC_REM_ACCESS_ERR || on_demand)
		EXPECT_EQ(0, status);
}

TEST_F_TIMEOUT(move, at_rest, 180)
{
	int i, refused = 0, status = 0;

	for (i = 0; i < num_moves() && refused < MAX_REFUSED && !status; i++) {
		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there,
					      i * 97, &self->here, i * 77,
					      SIZE / 2));
		ASSERT_EQ(0, vt_buf_check_all(&self->there));
		refused += do_move(_metadata, self, variant->on_demand);
		status = vt_copy_by_read(&self->pair, &self->here, i,
					 &self->there, i * 99, SIZE / 2);
		if (!status)
			ASSERT_EQ(0, vt_buf_check_all(&self->here));
		ASSERT_EQ(0, vt_buf_check_all(&self->there));
	}
	expect_status(_metadata, variant->on_demand, status);
}

/* Nothing is accessed between two moves. */
TEST_F_TIMEOUT(move, before_the_first_access, 60)
{
	int status;

	do_move(_metadata, self, variant->on_demand);
	do_move(_metadata, self, variant->on_demand);
	status = vt_copy_by_read(&self->pair, &self->here, 0, &self->there, 0,
				 SIZE);
	expect_status(_metadata, variant->on_demand, status);
	if (!status)
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(move, under_traffic, 300)
{
	struct et_traffic traffic = { .link = &self->link, .verify = true };
	int i, status, refused = 0;

	ASSERT_EQ(0, et_traffic_start(&traffic));
	for (i = 0; i < num_moves() && refused < MAX_REFUSED; i++) {
		refused += do_move(_metadata, self, variant->on_demand);
		EXPECT_EQ(0, et_traffic_wait(&traffic, 2));
	}
	status = et_traffic_stop(&traffic);
	expect_status(_metadata, variant->on_demand, status);
	/* A WRITE that failed may have written some of its bytes. */
	if (!status)
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* Writes ever larger numbers to all pages, and the last ones to the shadow. */
static void *count_up(void *arg)
{
	FIXTURE_DATA(move) *self = arg;
	volatile uint64_t *words = (uint64_t *)self->there.mem.addr;
	size_t i, n = SIZE / sizeof(*words);
	uint64_t round;

	for (round = 0; !atomic_load(&self->stop); round++)
		for (i = 0; i < n; i += 64)
			words[i] = round << 32 | i;
	for (i = 0; round && i < n; i += 64)
		((uint64_t *)self->there.shadow)[i] = (round - 1) << 32 | i;
	return NULL;
}

/* Bytes that the CPU writes while the memory moves are not lost. */
TEST_F_TIMEOUT(move, under_the_cpu, 300)
{
	pthread_t thread;
	int i, status, refused = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, count_up, self));
	for (i = 0; i < num_moves() && refused < MAX_REFUSED; i++)
		refused += do_move(_metadata, self, variant->on_demand);
	atomic_store(&self->stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	status = vt_copy_by_read(&self->pair, &self->here, 0, &self->there, 0,
				 SIZE);
	expect_status(_metadata, variant->on_demand, status);
	if (!status)
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

/* Nothing stays pinned. */
TEST_F_TIMEOUT(move, after_deregistration, 60)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->there.mr));
	self->there.mr = NULL;
	EXPECT_EQ(0, vt_counters_balanced(&et_node));
	do_move(_metadata, self, IBV_ACCESS_ON_DEMAND);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

#endif
