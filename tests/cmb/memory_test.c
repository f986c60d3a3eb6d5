// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory of the device file: it is allocated, freed and zeroed. Tables check what
 * all ioctls have in common: struct sizes, reserved fields, ioctl numbers, bad
 * pointers. The headers document the expected values.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vram/vram.h"
#include "cmb.h"
#include "lib/pattern.h"

FIXTURE(memory)
{
	int fd;
	uint64_t total;
};

FIXTURE_SETUP(memory)
{
	struct peer_bar_info info;

	ASSERT_EQ(0, cmb_load());
	ASSERT_EQ(0, cmb_bind(CMB_LARGE, "peer_cmb"));
	self->fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(64 * MIB, info.total);
	EXPECT_EQ(info.total, info.available);
	EXPECT_EQ(0, info.allocations);
	self->total = info.total;
}

FIXTURE_TEARDOWN(memory)
{
	close(self->fd);
}

/* ---- allocation ------------------------------------------------------- */

TEST_F(memory, accounting)
{
	struct peer_bar_info info;
	void *one, *two;

	one = cmb_map(self->fd, MIB);
	two = cmb_map(self->fd, PAGE + 1);
	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, two);
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(self->total - MIB - 2 * PAGE, info.available);
	EXPECT_EQ(2, info.allocations);
	/* One mapped page keeps the whole allocation. */
	ASSERT_EQ(0, munmap(one, MIB - PAGE));
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(2, info.allocations);
	ASSERT_EQ(0, munmap(one + MIB - PAGE, PAGE));
	ASSERT_EQ(0, munmap(two, 2 * PAGE));
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(self->total, info.available);
	EXPECT_EQ(0, info.allocations);
}

TEST_F(memory, allocate_all)
{
	void *all;

	EXPECT_EQ(NULL, cmb_map(self->fd, self->total + PAGE));
	EXPECT_EQ(ENOSPC, errno);
	all = cmb_map(self->fd, self->total);
	ASSERT_NE(NULL, all);
	EXPECT_EQ(NULL, cmb_map(self->fd, PAGE));
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(0, munmap(all, self->total));
	all = cmb_map(self->fd, self->total);
	ASSERT_NE(NULL, all);
	munmap(all, self->total);
}

TEST_F(memory, allocations_are_zeroed)
{
	uint8_t *map = cmb_map(self->fd, self->total);

	ASSERT_NE(NULL, map);
	memset(map, 0xff, self->total);
	ASSERT_EQ(0, munmap(map, self->total));
	map = cmb_map(self->fd, self->total);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(-1, zero_check(map, self->total));
}

TEST_F(memory, allocations_do_not_overlap)
{
	uint8_t *map[8];
	unsigned int n;

	for (n = 0; n < 8; n++) {
		map[n] = cmb_map(self->fd, MIB);
		ASSERT_NE(NULL, map[n]);
		vt_pattern_fill(map[n], n, 0, MIB);
	}
	for (n = 0; n < 8; n++) {
		static uint8_t want[MIB];

		vt_pattern_fill(want, n, 0, MIB);
		EXPECT_EQ(-1, vt_first_diff(map[n], want, MIB));
	}
}

/* ---- ioctls ----------------------------------------------------------- */

#define MAX_PAGE (64 * KIB)	/* largest page size of any architecture */

union any {
	uint32_t size;
	struct peer_bar_info info;
	struct peer_bar_addr at;
	struct peer_cmb_disk disk;
	struct peer_cmb_io io;
	char bytes[2 * MAX_PAGE];
};

/* @zero: offset from which on all input bytes must be zero */
struct call {
	const char *name;
	unsigned long nr;
	size_t size;
	size_t zero;
};

#define CALL(_nr, _struct, _zero)					\
	{ #_nr, _nr, sizeof(struct _struct), offsetof(struct _struct, _zero) }

/* DESTROY is last, so that the other ioctls find the memory. */
static const struct call calls[] = {
	CALL(PEER_BAR_IOC_INFO, peer_bar_info, flags),
	CALL(PEER_CMB_IOC_DISK, peer_cmb_disk, block_size),
	CALL(PEER_CMB_IOC_IO, peer_cmb_io, reserved),
	{ "PEER_BAR_IOC_REVOKE", PEER_BAR_IOC_REVOKE,
	  sizeof(struct peer_bar_addr), sizeof(struct peer_bar_addr) },
	{ "PEER_BAR_IOC_DESTROY", PEER_BAR_IOC_DESTROY,
	  sizeof(struct peer_bar_addr), sizeof(struct peer_bar_addr) },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Fills the struct with values with which the ioctl succeeds. */
static void fill_args(union any *arg, const struct call *call, const void *map)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = call->size;
	if (call->nr == PEER_CMB_IOC_IO) {
		arg->io.addr = (uintptr_t)map;
		arg->io.length = PAGE;
		arg->io.flags = PEER_CMB_IO_WRITE;
		arg->io.disk = -1;
	} else if (call->nr == PEER_BAR_IOC_REVOKE ||
		   call->nr == PEER_BAR_IOC_DESTROY) {
		arg->at.addr = (uintptr_t)map;
	}
}

TEST_F(memory, struct_sizes)
{
	static union any arg;
	size_t i, size;

	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];
		void *map = cmb_map(self->fd, PAGE);

		ASSERT_NE(NULL, map);
		for (size = 0; size < call->size; size++) {
			fill_args(&arg, call, map);
			arg.size = size;
			EXPECT_EQ(-EINVAL, cmb_ioctl(self->fd, call->nr, &arg))
				TH_LOG("%s, size %zu", call->name, size);
		}
		fill_args(&arg, call, map);
		arg.size = PAGE + 1;
		EXPECT_EQ(-E2BIG, cmb_ioctl(self->fd, call->nr, &arg))
			TH_LOG("%s", call->name);
		arg.size = call->size + 8;
		arg.bytes[call->size + 7] = 1;
		EXPECT_EQ(-E2BIG, cmb_ioctl(self->fd, call->nr, &arg))
			TH_LOG("%s", call->name);
		arg.bytes[call->size + 7] = 0;
		EXPECT_EQ(0, cmb_ioctl(self->fd, call->nr, &arg))
			TH_LOG("%s", call->name);
		munmap(map, PAGE);
	}
}

TEST_F(memory, reserved_fields)
{
	void *map = cmb_map(self->fd, PAGE);
	static union any arg;
	size_t i, at;

	ASSERT_NE(NULL, map);
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		for (at = call->zero; at < call->size; at++) {
			fill_args(&arg, call, map);
			arg.bytes[at] = 1;
			EXPECT_EQ(-EINVAL, cmb_ioctl(self->fd, call->nr, &arg))
				TH_LOG("%s, byte %zu", call->name, at);
		}
	}
}

TEST_F(memory, unknown_flags)
{
	void *map = cmb_map(self->fd, PAGE);
	static union any arg;
	uint32_t bit;

	ASSERT_NE(NULL, map);
	for (bit = 2; bit; bit <<= 1) {
		fill_args(&arg, &calls[2], map);
		arg.io.flags = bit;
		EXPECT_EQ(-EINVAL, cmb_ioctl(self->fd, PEER_CMB_IOC_IO, &arg))
			TH_LOG("flag %x", bit);
	}
}

/* Destroyed memory cannot be used, and is not free until it is unmapped. */
TEST_F(memory, destroyed)
{
	void *map = cmb_map(self->fd, PAGE);
	struct peer_bar_info info;
	static union any arg;
	size_t i;

	ASSERT_NE(NULL, map);
	fill_args(&arg, &calls[CALLS - 1], map);
	ASSERT_EQ(0, cmb_ioctl(self->fd, PEER_BAR_IOC_DESTROY, &arg));
	for (i = 2; i < CALLS; i++) {
		fill_args(&arg, &calls[i], map);
		EXPECT_EQ(-ENODEV, cmb_ioctl(self->fd, calls[i].nr, &arg))
			TH_LOG("%s", calls[i].name);
	}
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(info.total - PAGE, info.available);
	ASSERT_EQ(0, munmap(map, PAGE));
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(info.total, info.available);
}

/* DESTROY removes all pages from the CPU page tables, the first to the last. */
TEST_F(memory, destroyed_while_mapped)
{
	struct peer_bar_addr at = { .size = sizeof(at) };
	uint8_t *map = cmb_map(self->fd, 4 * PAGE);
	int i;

	ASSERT_NE(NULL, map);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, touch_write(map + i * PAGE));
	at.addr = (uintptr_t)map;
	ASSERT_EQ(0, cmb_ioctl(self->fd, PEER_BAR_IOC_DESTROY, &at));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(SIGBUS, touch_write(map + i * PAGE));
	ASSERT_EQ(0, munmap(map, 4 * PAGE));
}

/* Accesses as a debugger does; the permissions of the mapping apply. */
TEST_F(memory, proc_mem)
{
	struct peer_bar_addr at = { .size = sizeof(at) };
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t *map = cmb_map(self->fd, 2 * PAGE);
	uint64_t word = 0x1122334455667788;
	off_t pos = (uintptr_t)map + PAGE - 4;
	uint64_t value = 0;

	ASSERT_LE(0, mem);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(8, pwrite(mem, &word, 8, pos));
	EXPECT_EQ(0, memcmp(map + PAGE - 4, &word, 8));
	ASSERT_EQ(0, mprotect(map, 2 * PAGE, PROT_READ));
	word++;
	EXPECT_EQ(-1, pwrite(mem, &word, 8, pos));
	EXPECT_EQ(8, pread(mem, &value, 8, pos));
	EXPECT_EQ(word - 1, value);
	at.addr = (uintptr_t)map;
	ASSERT_EQ(0, cmb_ioctl(self->fd, PEER_BAR_IOC_DESTROY, &at));
	EXPECT_EQ(-1, pread(mem, &value, 8, pos));
	close(mem);
	ASSERT_EQ(0, munmap(map, 2 * PAGE));
}

/* System memory, unmapped addresses, and kernel addresses, up to the last byte. */
TEST_F(memory, foreign_addresses)
{
	const uintptr_t addresses[] = {
		(uintptr_t)self, 0, PAGE, 1UL << 47, (1UL << 56) - PAGE,
		0xffff888000000000, -2 * PAGE, -PAGE, -1UL,
	};
	static union any arg;
	size_t i, n;

	for (i = 2; i < CALLS; i++)
		for (n = 0; n < sizeof(addresses) / sizeof(addresses[0]); n++) {
			fill_args(&arg, &calls[i], (void *)addresses[n]);
			EXPECT_EQ(-ENXIO, cmb_ioctl(self->fd, calls[i].nr,
						    &arg))
				TH_LOG("%s, %#lx", calls[i].name, addresses[n]);
		}
}

TEST_F(memory, unknown_ioctls_and_bad_pointers)
{
	static union any arg;
	unsigned int nr;
	size_t i;

	for (nr = 0; nr < 256; nr++)
		if (nr > 2 && nr != 0x40 && nr != 0x41)
			EXPECT_EQ(-ENOTTY, cmb_ioctl(self->fd,
						     _IO(PEER_BAR_IOC_MAGIC, nr),
						     &arg))
				TH_LOG("%x", nr);
	for (i = 0; i < CALLS; i++) {
		EXPECT_EQ(-EFAULT, cmb_ioctl(self->fd, calls[i].nr, NULL));
		EXPECT_EQ(-EFAULT, cmb_ioctl(self->fd, calls[i].nr,
					     (void *)(1UL << 47)));
	}
}

TEST_HARNESS_MAIN
