// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device registers as an MR: a remote peer rings the doorbell of an engine, and reads
 * its result. The device is QEMU's "edu", which computes factorials. peer_test_edu.ko
 * exports its first page.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <rdma/peer_bar.h>
#include <sys/ioctl.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/driver.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/revoked.h"

#define NODE "/dev/peer_test_edu"
#define PAGE page_size()

/* Registers of edu, 4 bytes each. */
#define IDENT 0x00
#define LIVENESS 0x04	/* reads as the complement of what was written */
#define FACTORIAL 0x08
#define STATUS 0x20
#define COMPUTING 0x01

static int open_node(int flags)
{
	int tries, fd;

	/* The node may appear with a delay. */
	for (tries = 0; tries < 50; tries++) {
		fd = open(NODE, flags);
		if (fd >= 0)
			return fd;
		usleep(100000);
	}
	return -1;
}

FIXTURE(doorbell)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf host;
	int fd;
	struct vt_buf regs;	/* mem is the register page; no shadow */
};

FIXTURE_VARIANT(doorbell)
{
	int access;
};

FIXTURE_VARIANT_ADD(doorbell, pinned) {};
FIXTURE_VARIANT_ADD(doorbell, on_demand) { .access = IBV_ACCESS_ON_DEMAND };

FIXTURE_SETUP(doorbell)
{
	static const char *const load[] = { "modprobe", "ib_peer_bar", NULL };

	ASSERT_EQ(0, vt_run(20000, load));
	if (!vt_module_is_loaded("peer_test_edu"))
		ASSERT_EQ(0, vt_insmod_test("peer_test_edu.ko", ""));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->host, &self->dev, &vt_mem_host, PAGE,
				 NULL));
	self->fd = open_node(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->regs.mem.addr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->regs.mem.addr);
	self->regs.mem.length = PAGE;
	self->regs.iova = (uintptr_t)self->regs.mem.addr;
	self->regs.mr = ibv_reg_mr(self->dev.pd, self->regs.mem.addr, PAGE,
				   IBV_ACCESS_LOCAL_WRITE |
				   IBV_ACCESS_REMOTE_READ |
				   IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC | variant->access);
	ASSERT_NE(NULL, self->regs.mr);
}

FIXTURE_TEARDOWN(doorbell)
{
	if (self->regs.mr)
		EXPECT_EQ(0, ibv_dereg_mr(self->regs.mr));
	munmap(self->regs.mem.addr, PAGE);
	close(self->fd);
	EXPECT_EQ(0, vt_buf_close(&self->host));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_rmmod("peer_test_edu"));
}

static int write_register(FIXTURE_DATA(doorbell) *self, int reg, uint32_t value)
{
	struct ibv_sge sge = vt_sge(&self->host, 0, 4);

	*(uint32_t *)self->host.mem.addr = value;
	return vt_rdma_write(&self->pair.end[0], &sge, 1,
			     vt_remote(&self->regs, reg));
}

static int read_register(FIXTURE_DATA(doorbell) *self, int reg, uint32_t *value)
{
	struct ibv_sge sge = vt_sge(&self->host, 8, 4);
	int ret = vt_rdma_read(&self->pair.end[0], &sge, 1,
			       vt_remote(&self->regs, reg));

	*value = *(uint32_t *)(self->host.mem.addr + 8);
	return ret;
}

TEST_F(doorbell, rung_by_remote_write)
{
	volatile uint32_t *seen = (volatile uint32_t *)self->regs.mem.addr;
	uint32_t value, status;
	int tries;

	ASSERT_EQ(0, read_register(self, IDENT, &value));
	EXPECT_EQ(0x010000ed, value);
	ASSERT_EQ(0, write_register(self, LIVENESS, 0x12345678));
	ASSERT_EQ(0, read_register(self, LIVENESS, &value));
	EXPECT_EQ(~0x12345678u, value);
	/* The CPU sees the same registers. */
	EXPECT_EQ(value, seen[LIVENESS / 4]);

	ASSERT_EQ(0, write_register(self, FACTORIAL, 10));
	for (tries = 0; tries < 200; tries++) {
		ASSERT_EQ(0, read_register(self, STATUS, &status));
		if (!(status & COMPUTING))
			break;
		usleep(20000);
	}
	ASSERT_EQ(0, read_register(self, FACTORIAL, &value));
	EXPECT_EQ(3628800, value);
}

/* A WRITE to adjacent registers is done in 4-byte accesses: edu allows no others. */
TEST_F(doorbell, adjacent_registers)
{
	struct ibv_sge sge = vt_sge(&self->host, 0, 8);
	uint32_t values[2] = { 0, 0x87654321 }, value;

	ASSERT_EQ(0, write_register(self, LIVENESS, 0x11111111));
	memcpy(self->host.mem.addr, values, sizeof(values));
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
				   vt_remote(&self->regs, IDENT)));
	ASSERT_EQ(0, read_register(self, LIVENESS, &value));
	EXPECT_EQ(~0x87654321u, value);
}

static int transfer(FIXTURE_DATA(doorbell) *self, bool write, bool local, uint32_t at,
		    uint32_t length)
{
	struct vt_buf *far = local ? &self->host : &self->regs;
	struct ibv_sge sge = vt_sge(local ? &self->regs : &self->host, local ? at : 0, length);
	struct vt_remote there = vt_remote(far, local ? 0 : at);
	struct vt_end *end = &self->pair.end[0];
	int ret = write ? vt_rdma_write(end, &sge, 1, there) :
			  vt_rdma_read(end, &sge, 1, there);

	if (ret && vt_pair_renew(&self->pair))
		return -EIO;
	return ret;
}

/*
 * A register has no other width: such an access could have no effect, an unintended one,
 * or on arm64 stop the kernel.
 */
TEST_F_TIMEOUT(doorbell, other_widths_fail, 60)
{
	static const struct { uint32_t at, length; } bad[] = {
		{ LIVENESS, 1 }, { LIVENESS, 2 }, { LIVENESS, 3 }, { LIVENESS, 6 },
		{ LIVENESS + 1, 4 }, { LIVENESS + 2, 4 }, { LIVENESS + 3, 1 },
	};
	struct ibv_sge result = vt_sge(&self->host, 64, 8);
	struct vt_end *end = &self->pair.end[0];
	uint32_t value;
	size_t i;

	memset(self->host.mem.addr, 0x77, PAGE);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, false, bad[i].at, bad[i].length));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, false, bad[i].at, bad[i].length));
		/* See NOT_READABLE in lib/revoked.c. */
		EXPECT_NE(0, transfer(self, true, true, bad[i].at, bad[i].length));
		EXPECT_EQ(IBV_WC_LOC_PROT_ERR,
			  transfer(self, false, true, bad[i].at, bad[i].length));
	}
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_fetch_add(end, &result, vt_remote(&self->regs, IDENT), 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_cmp_swap(end, &result, vt_remote(&self->regs, IDENT), 0, 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_atomic_write(end, vt_remote(&self->regs, IDENT), 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));

	/* Nothing was written, and words still work. */
	ASSERT_EQ(0, write_register(self, LIVENESS, 0x12345678));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_NE(0, transfer(self, true, false, bad[i].at, bad[i].length));
	ASSERT_EQ(0, read_register(self, LIVENESS, &value));
	EXPECT_EQ(~0x12345678u, value);
}

/* A FLUSH must not read a register. */
TEST_F(doorbell, flushed)
{
	struct vt_remote at = { .addr = self->regs.iova + LIVENESS };
	struct ibv_sge sge = vt_sge(&self->host, 0, 4);
	struct ibv_mr *mr;
	uint32_t value;

	mr = ibv_reg_mr(self->dev.pd, self->regs.mem.addr, PAGE,
			VT_ACCESS_ALL | variant->access);
	ASSERT_NE(NULL, mr);
	at.rkey = mr->rkey;
	*(uint32_t *)self->host.mem.addr = 0x12345678;
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, at));
	EXPECT_EQ(0, vt_flush(&self->pair.end[0], at, 4, VT_FLUSH_GLOBAL));
	ASSERT_EQ(0, read_register(self, LIVENESS, &value));
	EXPECT_EQ(~0x12345678u, value);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(doorbell, node_interface)
{
	struct peer_bar_addr at = {
		.size = sizeof(at),
		.addr = self->regs.iova,
	};
	struct peer_bar_info info = { .size = sizeof(info) };
	char byte;
	int fd;

	ASSERT_EQ(0, ioctl(self->fd, PEER_BAR_IOC_INFO, &info));
	EXPECT_EQ(PEER_BAR_SHARED | PEER_BAR_REGISTERS, info.flags);
	EXPECT_EQ(PAGE, info.total);
	EXPECT_EQ(0, info.available);
	EXPECT_EQ(0, info.allocations);

	/* One user cannot destroy or revoke registers that all share. */
	EXPECT_EQ(-1, ioctl(self->fd, PEER_BAR_IOC_DESTROY, &at));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ioctl(self->fd, PEER_BAR_IOC_REVOKE, &at));
	EXPECT_EQ(EPERM, errno);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
				   PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED,
				   self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd,
				   0));
	EXPECT_EQ(EINVAL, errno);

	/* /proc/self/mem has no access: reading a register can have side effects. */
	fd = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, &byte, 1, self->regs.iova));
	EXPECT_EQ(EIO, errno);
	close(fd);
}

#define DENY "/sys/module/peer_test_edu/parameters/deny"

/* The exporter denies new registrations. The MR that exists works. */
TEST_F(doorbell, denied_by_exporter)
{
	uint32_t value;

	ASSERT_EQ(0, read_register(self, IDENT, &value));
	ASSERT_EQ(0, vt_write_file(DENY, "1"));
	EXPECT_EQ(EACCES, vt_reg_errno(&self->dev, self->regs.mem.addr, PAGE,
				       IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(0, read_register(self, IDENT, &value));
	ASSERT_EQ(0, vt_write_file(DENY, "0"));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->regs.mem.addr, PAGE,
				  IBV_ACCESS_REMOTE_READ));
}

/* The driver is unbound and bound, while registers are mapped and registered. */
TEST_F_TIMEOUT(doorbell, unbind, 60)
{
	struct vt_driver device;
	uint32_t value;
	pid_t child;

	ASSERT_EQ(0, vt_driver_find(&device, NODE));
	ASSERT_EQ(0, vt_driver_write(&device, "unbind"));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->regs));
	child = fork();
	if (!child) {
		value = *(volatile uint32_t *)self->regs.mem.addr;
		_exit(value != 0);
	}
	EXPECT_EQ(128 + SIGBUS, vt_wait_child(child, 10000));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
				   0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, ibv_dereg_mr(self->regs.mr));
	self->regs.mr = NULL;

	ASSERT_EQ(0, vt_driver_write(&device, "bind"));
	EXPECT_EQ(0, close(open_node(O_RDWR)));
}

/* Descriptions of ranges and exporters that are invalid; the module checks them. */
TEST(invalid_descriptions)
{
	static const char *const load[] = { "modprobe", "ib_peer_bar", NULL };

	ASSERT_EQ(0, vt_run(20000, load));
	EXPECT_EQ(0, vt_insmod_test("peer_api_test.ko", ""));
	EXPECT_EQ(0, vt_rmmod("peer_api_test"));
}

TEST_HARNESS_MAIN
