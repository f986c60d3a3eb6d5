/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The ends of mappings, MRs and processes, in every order. Afterwards the exporter has
 * its memory back, and the next user does not see what the last one wrote.
 */
#ifndef EXPORTER_END_TESTS_H
#define EXPORTER_END_TESTS_H

#include <signal.h>
#include <sys/mman.h>

#include "fixture.h"
#include "lib/raw.h"
#include "traffic.h"

FIXTURE(end)
{
	VT_LINK;
	int mrs;
};

ET_VARIANTS(end);

FIXTURE_SETUP(end)
{
	self->mrs = vt_resource_count("mr");
	et_open(_metadata, &self->link, variant->on_demand);
}

FIXTURE_TEARDOWN(end)
{
	et_close(_metadata, &self->link);
	EXPECT_EQ(0, vt_resource_wait("mr", self->mrs, VT_TIMEOUT_MS));
}

TEST_F(end, unmapped)
{
	ASSERT_EQ(0, munmap(self->there.mem.addr, SIZE));
	et_expect_no_access(_metadata, &self->link);
	/* The exporter has its memory back before the MR is deregistered. */
	EXPECT_EQ(0, vt_counters_balanced(&et_node));
	EXPECT_EQ(0, ibv_dereg_mr(self->there.mr));
	self->there.mr = NULL;
}

/* A pinned MR ends with any part of its memory. An on-demand MR has the rest. */
TEST_F(end, unmapped_in_part)
{
	struct vt_part rest = { 0, PAGE + 5, 3 * PAGE };
	int i, want = variant->on_demand ? 0 : IBV_WC_REM_ACCESS_ERR;

	ASSERT_EQ(0, munmap(self->there.mem.addr + SIZE - 4 * PAGE, PAGE));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(want, vt_access_ops[i].run(&self->link, &rest));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
	}
}

TEST_F(end, unmapped_under_traffic)
{
	struct et_traffic traffic = { .link = &self->link };

	ASSERT_EQ(0, et_traffic_start(&traffic));
	EXPECT_EQ(0, et_traffic_wait(&traffic, 3));
	ASSERT_EQ(0, munmap(self->there.mem.addr, SIZE));
	EXPECT_EQ(0, et_traffic_wait_end(&traffic));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, et_traffic_stop(&traffic));
}

/* The MR of the parent stays whatever a child does with its copy of the mapping. */
TEST_F(end, child_unmaps)
{
	pid_t pid = fork();

	if (!pid) {
		munmap(self->there.mem.addr, SIZE);
		_exit(0);
	}
	ASSERT_EQ(0, vt_wait_child(pid, VT_TIMEOUT_MS));
	et_expect_access(_metadata, &self->link);
}

/* Never returns. Writes a byte to @ready when data flows. */
static void run_until_killed(int on_demand, int ready)
{
	struct vt_link link;
	struct et_traffic traffic = { .link = &link };

	memset(&link, 0, sizeof(link));
	if (vt_link_open(&link, &et_node, SIZE, VT_ACCESS_ALL | on_demand, NULL) ||
	    et_traffic_start(&traffic) || et_traffic_wait(&traffic, 3) ||
	    write(ready, "", 1) != 1)
		_exit(1);
	pause();
	_exit(2);
}

TEST_F_TIMEOUT(end, killed, 120)
{
	int i, ready[2];
	pid_t pid;
	char byte;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		if (!pid) {
			close(ready[0]);
			run_until_killed(variant->on_demand, ready[1]);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		usleep(10000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, VT_TIMEOUT_MS));
		close(ready[0]);
	}
	et_expect_access(_metadata, &self->link);
}

/* Registers, accesses and frees other memory of the node. Return: 0 or -errno. */
static int use_once(struct vt_dev *dev, int on_demand, uint64_t seed)
{
	struct vt_buf_opts opts = { .access = VT_ACCESS_ALL | on_demand };
	struct vt_buf buf;
	struct ibv_sge sge;
	int ret;

	ret = vt_buf_open(&buf, dev, &et_node, SIZE, &opts);
	if (ret)
		return ret;
	sge = vt_sge(&buf, 0, SIZE);
	if (on_demand)
		ret = vt_advise_mr(dev->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	if (seed)
		vt_buf_fill(&buf, seed);
	vt_buf_close(&buf);
	return ret;
}

/* Return: true if all mappings of the node show the same memory. */
static bool is_shared(struct vt_buf *buf)
{
	struct vt_mem other;
	bool shared;

	if (vt_mem_alloc(&other, &et_node, SIZE, 0))
		return false;
	shared = !memcmp(other.addr, buf->shadow, SIZE);
	vt_mem_free(&other);
	return shared;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* A mapping has zeros, not the bytes of the last user. */
TEST_F_TIMEOUT(end, cleared, 60)
{
	struct vt_mem mem;
	int round;

	if (is_shared(&self->there))
		SKIP(return, "all mappings of the node share one memory");
	EXPECT_EQ(0, vt_buf_close(&self->there));
	for (round = 0; round < 5; round++) {
		ASSERT_EQ(0, vt_counters_balanced(&et_node));
		ASSERT_EQ(0, vt_mem_alloc(&mem, &et_node, SIZE, 0));
		EXPECT_TRUE(is_zero(mem.addr, SIZE));
		vt_mem_free(&mem);
		ASSERT_EQ(0, use_once(&self->dev, variant->on_demand,
				      20 + round));
	}
}

/* Available memory of the system, in KiB. */
static long available_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %ld kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* The memory returns to the system, or to the device, which cannot have so much. */
TEST_F_TIMEOUT(end, given_back, 180)
{
	long total = vt_slow_kernel() ? 64 << 20 : 256 << 20;
	long rounds = total / SIZE + 1, left;
	int64_t until;
	int i;

	ASSERT_EQ(0, use_once(&self->dev, variant->on_demand, 0));
	left = available_kib() - total / 2048;
	for (i = 0; i < rounds; i++)
		ASSERT_EQ(0, use_once(&self->dev, variant->on_demand, 0))
			TH_LOG("round %d", i);
	until = vt_now_ms() + VT_TIMEOUT_MS;
	while (available_kib() < left && vt_now_ms() < until)
		usleep(100000);
	EXPECT_LE(left, available_kib());
}

#endif
