/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Which ranges the exporter claims: its own memory, all of the range, with the rights of
 * the mapping, in the process that has the mapping.
 *
 * The exporter is asked for a pinned MR at registration, for an on-demand MR at the
 * first access. The MR of the fixture is on demand.
 */
#ifndef EXPORTER_CLAIM_TESTS_H
#define EXPORTER_CLAIM_TESTS_H

#include <sys/mman.h>

#include "fixture.h"

FIXTURE(claim)
{
	VT_LINK;
};

FIXTURE_SETUP(claim)
{
	et_open(_metadata, &self->link, IBV_ACCESS_ON_DEMAND);
}

FIXTURE_TEARDOWN(claim)
{
	et_close(_metadata, &self->link);
}

/* Return: the errno of a pinned registration. */
static int pin_errno(FIXTURE_DATA(claim) *self, const uint8_t *addr,
		     size_t length, int access)
{
	return vt_reg_errno(&self->dev, (void *)addr, length, access);
}

/* Return: the status of a WRITE of @length bytes to the MR. */
static int write_status(FIXTURE_DATA(claim) *self, uint64_t there,
			uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, length);
	int status = vt_rdma_write(&self->pair.end[0], &sge, 1,
				   vt_remote(&self->there, there));

	if (status && vt_pair_renew(&self->pair))
		return -EIO;
	return status;
}

TEST_F(claim, names_the_exporter)
{
	struct peer_mem_query query;

	ASSERT_EQ(0, et_query(self->there.mem.addr, SIZE, &query));
	EXPECT_STREQ(et_node.exporter, query.exporter);
	EXPECT_EQ(PEER_MEM_HAS_DEVICE, query.kinds);
	EXPECT_EQ(PEER_MEM_OK, query.on_demand.status);
	EXPECT_EQ(SIZE, query.covered);
	EXPECT_EQ(et_node_can_pin() ? PEER_MEM_OK : PEER_MEM_NO_PIN,
		  query.pinned.status);
}

/* Registrations of both kinds go to this exporter. */
TEST_F(claim, counted)
{
	struct vt_counters before, now;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_counters_read(&et_node, &before));
	EXPECT_EQ(0, write_status(self, 0, 8));
	memcpy(self->there.shadow, self->here.shadow, 8);
	ASSERT_EQ(0, vt_counters_read(&et_node, &now));
	EXPECT_EQ(before.alloc_mrs + 1, now.alloc_mrs);
	EXPECT_LT(before.faults, now.faults);
	if (!et_node_can_pin())
		return;
	mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr, SIZE,
			VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vt_counters_read(&et_node, &now));
	EXPECT_EQ(before.alloc_mrs + 2, now.alloc_mrs);
	EXPECT_EQ(before.reg_bytes + 2 * SIZE, now.reg_bytes);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(claim, parts)
{
	const struct { size_t offset, length; } parts[] = {
		{ 0, SIZE }, { 0, 1 }, { SIZE - 1, 1 }, { PAGE, PAGE },
		{ PAGE - 1, 2 }, { 5, SIZE - 5 }, { 3 * PAGE + 7, 5 * PAGE },
		{ SIZE - PAGE, PAGE },
	};
	size_t i;

	if (!et_node_can_pin())
		SKIP(return, "the exporter does not pin memory");
	for (i = 0; i < COUNT(parts); i++)
		EXPECT_EQ(0, pin_errno(self, self->there.mem.addr +
				       parts[i].offset, parts[i].length,
				       VT_ACCESS_ALL))
			TH_LOG("%zu bytes at %zu", parts[i].length,
			       parts[i].offset);
}

/* The first and the last page of the mapping are unmapped. */
TEST_F(claim, beyond_the_mapping)
{
	uint8_t *start = self->there.mem.addr + PAGE;
	uint8_t *end = self->there.mem.addr + SIZE - PAGE;

	ASSERT_EQ(0, munmap(end, PAGE));
	ASSERT_EQ(0, munmap(start - PAGE, PAGE));
	EXPECT_NE(0, pin_errno(self, start, end - start + 1, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, end - PAGE, 2 * PAGE, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, start - 1, 2, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, end, PAGE, VT_ACCESS_ALL));
	if (et_node_can_pin())
		EXPECT_EQ(0, pin_errno(self, start, end - start, VT_ACCESS_ALL));

	EXPECT_EQ(0, write_status(self, SIZE - PAGE - 8, 8));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, SIZE - PAGE, 1));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, PAGE - 1, 1));
	memcpy(self->there.shadow + SIZE - PAGE - 8, self->here.shadow, 8);
	EXPECT_EQ(-1, vt_first_diff(start, self->there.shadow + PAGE,
				    end - start));
}

TEST_F(claim, hole)
{
	uint8_t *addr = self->there.mem.addr;

	ASSERT_EQ(0, munmap(addr + 4 * PAGE, PAGE));
	EXPECT_NE(0, pin_errno(self, addr, SIZE, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, addr + 4 * PAGE - 1, PAGE + 2,
			       VT_ACCESS_ALL));
	EXPECT_EQ(0, write_status(self, 4 * PAGE - 8, 8));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, 4 * PAGE, 8));
	EXPECT_EQ(0, write_status(self, 5 * PAGE, 8));
}

/*
 * System memory follows the exporter's. A pinned MR has one owner. An on-demand MR may
 * cover both.
 */
TEST_F(claim, beside_system_memory)
{
	uint8_t *end = self->there.mem.addr + SIZE - PAGE;
	struct vt_part part = { 0, SIZE - PAGE - 100, 200 };

	ASSERT_EQ(end, mmap(end, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memcpy(end, self->there.shadow + SIZE - PAGE, PAGE);
	EXPECT_NE(0, pin_errno(self, end - PAGE, 2 * PAGE, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, end - 1, 2, VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_access_ops[0].run(&self->link, &part));
	EXPECT_EQ(0, vt_access_ops[1].run(&self->link, &part));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* Two mappings of the node are adjacent, but not one contiguous memory. */
TEST_F(claim, two_mappings)
{
	size_t half = SIZE / PAGE / 2 * PAGE;
	uint8_t *middle = self->there.mem.addr + half;
	struct vt_part part = { 0, half - 100, 200 };

	ASSERT_EQ(0, et_node_map_at(middle, half));
	EXPECT_NE(0, pin_errno(self, middle - PAGE, 2 * PAGE, VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, middle - 1, 2, VT_ACCESS_ALL));
	/* If the mappings share their memory, a WRITE is in both. */
	memcpy(self->there.shadow, self->there.mem.addr, SIZE);
	EXPECT_EQ(0, vt_access_ops[0].run(&self->link, &part));
	memcpy(self->there.shadow, self->there.mem.addr, SIZE);
	EXPECT_EQ(-1, vt_first_diff(middle - 100, self->here.shadow, 200));
	EXPECT_EQ(0, vt_access_ops[1].run(&self->link, &part));
}

TEST_F(claim, read_only)
{
	uint8_t *addr = self->there.mem.addr;
	struct vt_part part = { 9, PAGE - 3, 500 };

	ASSERT_EQ(0, mprotect(addr, SIZE, PROT_READ));
	EXPECT_EQ(EACCES, pin_errno(self, addr, SIZE, IBV_ACCESS_LOCAL_WRITE));
	if (et_node_can_pin())
		EXPECT_EQ(0, pin_errno(self, addr, SIZE,
				       IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, PAGE - 3, 500));
	/* READ. */
	EXPECT_EQ(0, vt_access_ops[1].run(&self->link, &part));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	ASSERT_EQ(0, mprotect(addr, SIZE, PROT_READ | PROT_WRITE));
	et_expect_access(_metadata, &self->link);
}

TEST_F(claim, not_mapped)
{
	ASSERT_EQ(0, munmap(self->there.mem.addr, SIZE));
	EXPECT_NE(0, pin_errno(self, self->there.mem.addr, SIZE,
			       VT_ACCESS_ALL));
	EXPECT_NE(0, pin_errno(self, self->there.mem.addr, 1, 0));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, 0, 8));
}

/* Return: the mapping "[vvar]" of the kernel, which no exporter owns; NULL: none. */
static uint8_t *find_vvar(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint8_t *addr = NULL;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]"))
			addr = (uint8_t *)strtoul(line, NULL, 16);
	if (maps)
		fclose(maps);
	return addr;
}

TEST_F(claim, memory_of_others)
{
	struct peer_mem_query query;
	uint8_t *vvar = find_vvar();

	ASSERT_EQ(0, et_query(self->here.mem.addr, SIZE, &query));
	EXPECT_STREQ("", query.exporter);
	if (!vvar)
		SKIP(return, "this process has no mapping [vvar]");
	ASSERT_EQ(0, et_query(vvar, PAGE, &query));
	EXPECT_STRNE(et_node.exporter, query.exporter);
	EXPECT_NE(0, pin_errno(self, vvar, PAGE, IBV_ACCESS_REMOTE_READ));
}

/*
 * Registers the memory in a forked process. Return: the errno there, with (@mapped) or
 * without the mapping; 255: it failed before.
 */
static int child_errno(FIXTURE_DATA(claim) *self, bool mapped)
{
	unsigned char vec[1];
	struct vt_dev dev;
	pid_t pid = fork();

	if (pid)
		return vt_wait_child(pid, VT_TIMEOUT_MS);
	if (!mapped)
		munmap(self->there.mem.addr, SIZE);
	/* An exporter may keep its mappings from children. */
	else if (mincore(self->there.mem.addr, PAGE, vec) && errno == ENOMEM)
		_exit(0);
	_exit(vt_dev_open(&dev) ? 255 :
	      vt_reg_errno(&dev, self->there.mem.addr, SIZE, VT_ACCESS_ALL));
}

/* The parent has the mapping at the same address all the time. */
TEST_F(claim, other_process)
{
	int without = child_errno(self, false);

	EXPECT_NE(0, without);
	EXPECT_NE(255, without);
	if (et_node_can_pin())
		EXPECT_EQ(0, child_errno(self, true));
	et_expect_access(_metadata, &self->link);
}

#endif
