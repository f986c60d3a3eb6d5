// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tables of checks that apply to every ioctl of /dev/peer_vram0: struct sizes,
 * reserved fields, unknown flags, ioctl numbers and directions, bad pointers,
 * invalid handles, ranges beyond the end. A failed ioctl leaves nothing behind.
 * The header documents the expected values.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vram.h"

#define PARAMETERS "/sys/module/peer_vram/parameters/"
#define PEERS "/sys/kernel/mm/memory_peers/peer_vram/"
#define MAX_PAGE (64 * KIB)	/* largest page size of any architecture */

FIXTURE(table) {
	int fd;
	uint32_t handle;	/* BO of 1 MiB */
	int dmabuf;		/* dma-buf of this BO */
};

FIXTURE_SETUP(table)
{
	ASSERT_EQ(0, vram_wait_empty(10));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, MIB, 0, &self->handle));
	self->dmabuf = vram_share(self->fd, self->handle);
	ASSERT_LE(0, self->dmabuf);
}

FIXTURE_TEARDOWN_PARENT(table)
{
	EXPECT_EQ(0, vram_wait_empty(10));
}

/* ---- struct sizes ----------------------------------------------------- */

/* The bytes have room for two pages: the kernel accepts structs of a page. */
union any {
	uint32_t size;
	struct peer_vram_info info;
	struct peer_vram_create create;
	struct peer_vram_handle handle;
	struct peer_vram_lookup lookup;
	struct peer_vram_move move;
	struct peer_vram_query query;
	struct peer_vram_rw rw;
	struct peer_vram_blocks blocks;
	struct peer_vram_share share;
	struct peer_vram_set_flags set_flags;
	struct peer_vram_next next;
	char bytes[2 * MAX_PAGE];
};

struct call {
	const char *name;
	unsigned long nr;
	size_t size;
};

/* DESTROY and CLOSE are last, so that the other ioctls find the BO. */
static const struct call calls[] = {
	{ "INFO", PEER_VRAM_IOC_INFO, sizeof(struct peer_vram_info) },
	{ "CREATE", PEER_VRAM_IOC_CREATE, sizeof(struct peer_vram_create) },
	{ "LOOKUP", PEER_VRAM_IOC_LOOKUP, sizeof(struct peer_vram_lookup) },
	{ "MOVE", PEER_VRAM_IOC_MOVE, sizeof(struct peer_vram_move) },
	{ "QUERY", PEER_VRAM_IOC_QUERY, sizeof(struct peer_vram_query) },
	{ "READ", PEER_VRAM_IOC_READ, sizeof(struct peer_vram_rw) },
	{ "WRITE", PEER_VRAM_IOC_WRITE, sizeof(struct peer_vram_rw) },
	{ "BLOCKS", PEER_VRAM_IOC_BLOCKS, sizeof(struct peer_vram_blocks) },
	{ "SHARE", PEER_VRAM_IOC_SHARE, sizeof(struct peer_vram_share) },
	{ "IMPORT", PEER_VRAM_IOC_IMPORT, sizeof(struct peer_vram_share) },
	{ "SET_FLAGS", PEER_VRAM_IOC_SET_FLAGS,
	  sizeof(struct peer_vram_set_flags) },
	{ "NEXT", PEER_VRAM_IOC_NEXT, sizeof(struct peer_vram_next) },
	{ "REVOKE", PEER_VRAM_IOC_REVOKE, sizeof(struct peer_vram_handle) },
	{ "DESTROY", PEER_VRAM_IOC_DESTROY, sizeof(struct peer_vram_handle) },
	{ "CLOSE", PEER_VRAM_IOC_CLOSE, sizeof(struct peer_vram_handle) },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Return: the size of the first version of the struct. */
static size_t min_size(const struct call *call)
{
	switch (call->nr) {
	case PEER_VRAM_IOC_INFO:
		return offsetof(struct peer_vram_info, swapouts);
	case PEER_VRAM_IOC_MOVE:
		return offsetof(struct peer_vram_move, offset);
	case PEER_VRAM_IOC_QUERY:
		return offsetof(struct peer_vram_query, resident);
	default:
		return call->size;
	}
}

/* Fills the struct with values with which the ioctl succeeds. */
static void fill_args(union any *arg, const struct call *call, uint32_t handle,
		      int dmabuf, const void *mapping)
{
	static char buffer[16];

	memset(arg, 0, sizeof(*arg));
	arg->size = call->size;
	switch (call->nr) {
	case PEER_VRAM_IOC_INFO:
	case PEER_VRAM_IOC_NEXT:
		break;
	case PEER_VRAM_IOC_CREATE:
		arg->create.length = PAGE;
		break;
	case PEER_VRAM_IOC_LOOKUP:
		arg->lookup.addr = (uintptr_t)mapping;
		break;
	case PEER_VRAM_IOC_READ:
	case PEER_VRAM_IOC_WRITE:
		arg->rw.handle = handle;
		arg->rw.length = sizeof(buffer);
		arg->rw.buffer = (uintptr_t)buffer;
		break;
	case PEER_VRAM_IOC_IMPORT:
		arg->share.fd = dmabuf;
		break;
	default:
		/* All other structs have the handle at the same offset. */
		arg->handle.handle = handle;
	}
}

/* Passes a struct of @size bytes. A larger struct than known ends with @last. */
static long call_sized(int fd, const struct call *call, const union any *good,
		       size_t size, char last)
{
	static union any arg;

	memcpy(&arg, good, sizeof(arg));
	arg.size = size;
	if (size > call->size && size <= sizeof(arg))
		arg.bytes[size - 1] = last;
	return vram_ioctl(fd, call->nr, &arg);
}

TEST_F(table, too_short)
{
	void *map = vram_map(self->fd, self->handle, MIB, PROT_READ);
	static union any arg;
	size_t i, size;

	ASSERT_NE(NULL, map);
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		fill_args(&arg, call, self->handle, self->dmabuf, map);
		for (size = 0; size < min_size(call); size++)
			EXPECT_EQ(-EINVAL, call_sized(self->fd, call, &arg,
						      size, 0))
				TH_LOG("%s, size %zu", call->name, size);
		for (; size < call->size; size++)
			EXPECT_EQ(0, call_sized(self->fd, call, &arg, size, 0))
				TH_LOG("%s, size %zu", call->name, size);
	}
}

TEST_F(table, too_long)
{
	const size_t too_large[] = { PAGE + 1, 2 * PAGE, 1UL << 20,
				     INT32_MAX, 1UL << 31, UINT32_MAX };
	void *map = vram_map(self->fd, self->handle, MIB, PROT_READ);
	static union any arg;
	size_t i, n;

	ASSERT_NE(NULL, map);
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		fill_args(&arg, call, self->handle, self->dmabuf, map);
		for (n = call->size + 1; n <= PAGE; n += n < 256 ? 1 : 251)
			EXPECT_EQ(-E2BIG, call_sized(self->fd, call, &arg, n, 1))
				TH_LOG("%s, size %zu", call->name, n);
		EXPECT_EQ(-E2BIG, call_sized(self->fd, call, &arg, PAGE, 1));
		for (n = 0; n < sizeof(too_large) / sizeof(too_large[0]); n++) {
			const size_t size = too_large[n];

			EXPECT_EQ(-E2BIG, call_sized(self->fd, call, &arg, size, 0))
				TH_LOG("%s, size %zu", call->name, size);
		}
	}
}

/* The order of the table matters, see there. */
TEST_F(table, longer_with_a_zero_tail)
{
	void *map = vram_map(self->fd, self->handle, MIB, PROT_READ);
	static union any arg;
	size_t i;

	ASSERT_NE(NULL, map);
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		fill_args(&arg, call, self->handle, self->dmabuf, map);
		arg.size = i % 2 ? PAGE : call->size + 1;
		EXPECT_EQ(0, vram_ioctl(self->fd, call->nr, &arg))
			TH_LOG("%s, size %u", call->name, arg.size);
		EXPECT_EQ(-1, zero_check(arg.bytes + call->size,
					 sizeof(arg) - call->size));
		if (call->nr == PEER_VRAM_IOC_SHARE)
			close(arg.share.fd);
	}
}

/* ---- reserved fields and unknown flags -------------------------------- */

/* @bad: the bits of the 32-bit field at @offset that must be zero */
struct field {
	unsigned long nr;
	const char *name;
	size_t offset;
	uint32_t bad;
};

#define FIELD(_nr, _struct, _field, _bad)				\
	{ PEER_VRAM_IOC_##_nr, #_nr "." #_field,			\
	  offsetof(struct peer_vram_##_struct, _field), _bad }

static const struct field fields[] = {
	FIELD(INFO, info, reserved, ~0U),
	FIELD(CREATE, create, reserved, ~0U),
	FIELD(CREATE, create, flags, ~7U),
	FIELD(MOVE, move, reserved, ~0U),
	FIELD(MOVE, move, domain, ~1U),
	FIELD(BLOCKS, blocks, reserved, ~0U),
	FIELD(SHARE, share, reserved, ~0U),
	FIELD(IMPORT, share, reserved, ~0U),
	FIELD(SET_FLAGS, set_flags, reserved, ~0U),
	/* PEER_VRAM_CREATE_SYSTEM is valid for CREATE only. */
	FIELD(SET_FLAGS, set_flags, flags, ~5U),
};

static const struct call *find_call(unsigned long nr)
{
	size_t i;

	for (i = 0; calls[i].nr != nr; i++)
		;
	return &calls[i];
}

TEST_F(table, reserved_and_flags)
{
	static union any arg;
	uint32_t bit;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *field = &fields[i];

		for (bit = 1; bit; bit <<= 1) {
			if (!(field->bad & bit))
				continue;
			fill_args(&arg, find_call(field->nr), self->handle,
				  self->dmabuf, NULL);
			memcpy(arg.bytes + field->offset, &bit, sizeof(bit));
			EXPECT_EQ(-EINVAL, vram_ioctl(self->fd, field->nr, &arg))
				TH_LOG("%s = %#x", field->name, bit);
		}
	}
}

/* ---- ioctl numbers ---------------------------------------------------- */

TEST_F(table, unknown_ioctls)
{
	static const unsigned long directions[] = {
		_IOC(_IOC_READ, 0, 0, 0), _IOC(_IOC_WRITE, 0, 0, 0),
		_IOC(_IOC_READ | _IOC_WRITE, 0, 0, 0), _IOC(0, 0, 0, 8),
		_IOC(_IOC_READ | _IOC_WRITE, 0, 0, 32),
		_IOC(0, 1, 0, 0), _IOC(0, 0x80, 0, 0),
	};
	static union any arg;
	unsigned int nr;
	size_t i;

	arg.size = sizeof(struct peer_vram_info);
	for (nr = CALLS; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, vram_ioctl(self->fd, PEER_VRAM_IOC(nr), &arg))
			TH_LOG("number %u", nr);
	for (nr = 0; nr < CALLS; nr++)
		for (i = 0; i < sizeof(directions) / sizeof(directions[0]); i++)
			EXPECT_EQ(-ENOTTY,
				  vram_ioctl(self->fd, PEER_VRAM_IOC(nr) ^
					     directions[i], &arg))
				TH_LOG("number %u, direction %zu", nr, i);
}

/* ---- pointers --------------------------------------------------------- */

TEST_F(table, result_stays_in_struct)
{
	struct {
		struct peer_vram_info info;
		uint64_t guard;
	} arg;

	memset(&arg, 0, sizeof(arg));
	arg.info.size = sizeof(arg.info);
	arg.guard = 0x1122334455667788;
	ASSERT_EQ(0, vram_ioctl(self->fd, PEER_VRAM_IOC_INFO, &arg));
	EXPECT_EQ(0x1122334455667788, arg.guard);
	EXPECT_EQ(sizeof(arg.info), arg.info.size);
}

/* Unmapped user addresses, kernel addresses, and non-canonical ones. */
static const unsigned long bad_addrs[] = {
	0, 1, 0xfff, 0x00007ffffffff000, 0x8000000000000000,
	0xffff888000000000, 0xffffffff81000000, -0x1000UL, -4UL, -1UL,
};

TEST_F(table, bad_pointers)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct peer_vram_info before, after;
	uint32_t handle;
	void *map;
	static union any arg;
	size_t i, n;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + PAGE, PAGE));
	map = vram_map(self->fd, self->handle, MIB, PROT_READ);
	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, vram_info(self->fd, &before));

	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		for (n = 0; n < sizeof(bad_addrs) / sizeof(bad_addrs[0]); n++)
			EXPECT_EQ(-EFAULT, vram_ioctl(self->fd, call->nr,
						      (void *)bad_addrs[n]))
				TH_LOG("%s at %#lx", call->name, bad_addrs[n]);
		/* Only the first bytes of the struct are readable. */
		fill_args(&arg, call, self->handle, self->dmabuf, map);
		for (n = 1; n < call->size; n++) {
			memcpy(page + PAGE - n, &arg, n);
			EXPECT_EQ(-EFAULT, vram_ioctl(self->fd, call->nr,
						      page + PAGE - n))
				TH_LOG("%s, %zu bytes of it", call->name, n);
		}
	}
	/* The result cannot be stored; the ioctl must undo what it did. */
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		if (call->nr == PEER_VRAM_IOC_DESTROY)
			break;
		fill_args(&arg, call, self->handle, self->dmabuf, map);
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		memcpy(page, &arg, call->size);
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		if (call->nr != PEER_VRAM_IOC_MOVE &&
		    call->nr != PEER_VRAM_IOC_READ &&
		    call->nr != PEER_VRAM_IOC_WRITE &&
		    call->nr != PEER_VRAM_IOC_SET_FLAGS &&
		    call->nr != PEER_VRAM_IOC_REVOKE)
			EXPECT_EQ(-EFAULT, vram_ioctl(self->fd, call->nr, page))
				TH_LOG("%s, read-only struct", call->name);
	}
	ASSERT_EQ(0, vram_info(self->fd, &after));
	EXPECT_EQ(before.objects, after.objects);
	/* No descriptor was left open. */
	EXPECT_EQ(self->dmabuf + 1, dup(self->dmabuf));
	/* No handle was left open. */
	ASSERT_EQ(0, vram_create(self->fd, PAGE, 0, &handle));
	EXPECT_EQ(self->handle + 1, handle);

	EXPECT_EQ(-EFAULT, vram_read(self->fd, self->handle, 0, page, 16));
	EXPECT_EQ(-EFAULT, vram_write(self->fd, self->handle, 0, page + PAGE, 16));
	EXPECT_EQ(-EFAULT, vram_blocks(self->fd, self->handle, (void *)page, 1));
}

TEST_F(table, bad_buffers)
{
	struct peer_vram_block *block;
	uint32_t handle;
	uint64_t offset;
	size_t i;

	for (i = 0; i < sizeof(bad_addrs) / sizeof(bad_addrs[0]); i++) {
		void *at = (void *)bad_addrs[i];

		block = at;
		EXPECT_EQ(-EFAULT, vram_read(self->fd, self->handle, 0, at, 1));
		EXPECT_EQ(-EFAULT, vram_write(self->fd, self->handle, 0, at, 1));
		EXPECT_EQ(-EFAULT, vram_blocks(self->fd, self->handle, block, 1));
		EXPECT_EQ(-ENOENT, vram_lookup(self->fd, at, &handle, &offset))
			TH_LOG("%#lx", bad_addrs[i]);
		/* With length 0 the buffer is not accessed. */
		EXPECT_EQ(0, vram_read(self->fd, self->handle, 0, at, 0));
		EXPECT_EQ(0, vram_write(self->fd, self->handle, MIB, at, 0));
		EXPECT_EQ(16, vram_blocks(self->fd, self->handle, block, 0));
	}
}

/* ---- handles ---------------------------------------------------------- */

static bool has_handle(const struct call *call)
{
	return call->nr != PEER_VRAM_IOC_INFO &&
	       call->nr != PEER_VRAM_IOC_CREATE &&
	       call->nr != PEER_VRAM_IOC_LOOKUP &&
	       call->nr != PEER_VRAM_IOC_NEXT &&
	       call->nr != PEER_VRAM_IOC_IMPORT;
}

TEST_F(table, invalid_handles)
{
	int other = vram_open(O_RDWR);
	uint32_t closed, foreign, bad[6];
	static union any arg;
	size_t i, n;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, vram_create(self->fd, PAGE, 0, &closed));
	ASSERT_EQ(0, vram_close(self->fd, closed));
	for (n = 0; n < 5; n++)
		ASSERT_EQ(0, vram_create(other, PAGE, 0, &foreign));
	memcpy(bad, (uint32_t[]){ 0, closed, foreign, 65537, 1U << 31,
	       UINT32_MAX }, sizeof(bad));
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		for (n = 0; n < 6 && has_handle(call); n++) {
			fill_args(&arg, call, bad[n], self->dmabuf, NULL);
			EXPECT_EQ(-ENOENT, vram_ioctl(self->fd, call->nr, &arg))
				TH_LOG("%s of %u", call->name, bad[n]);
		}
	}
}

/* CLOSE and SHARE work with the handle of a destroyed BO. */
TEST_F(table, destroyed)
{
	static union any arg;
	size_t i;

	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	for (i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];

		if (!has_handle(call) || call->nr == PEER_VRAM_IOC_CLOSE ||
		    call->nr == PEER_VRAM_IOC_SHARE)
			continue;
		fill_args(&arg, call, self->handle, self->dmabuf, NULL);
		EXPECT_EQ(-ENODEV, vram_ioctl(self->fd, call->nr, &arg))
			TH_LOG("%s", call->name);
	}
	/* Also with length 0. */
	EXPECT_EQ(-ENODEV, vram_read(self->fd, self->handle, 0, NULL, 0));
	EXPECT_EQ(-ENODEV, vram_write(self->fd, self->handle, 0, NULL, 0));
}

/* ---- ranges ----------------------------------------------------------- */

TEST_F(table, ranges)
{
	const struct {
		uint64_t offset, length;
		int want;
	} rows[] = {
		{ 0, 0, 0 }, { 0, 1, 0 }, { 1, 1, 0 },
		{ PAGE - 1, 1, 0 }, { PAGE - 1, 2, 0 }, { PAGE, PAGE, 0 },
		{ MIB - 1, 1, 0 }, { MIB, 0, 0 }, { 0, 2 * PAGE, 0 },
		{ MIB - 1, 2, -ERANGE }, { MIB, 1, -ERANGE },
		{ MIB + 1, 0, -ERANGE }, { 0, MIB + 1, -ERANGE },
		{ 1, MIB, -ERANGE }, { UINT64_MAX, 0, -ERANGE },
		{ UINT64_MAX, 1, -ERANGE }, { UINT64_MAX, 2, -ERANGE },
		{ 0, UINT64_MAX, -ERANGE }, { 1, UINT64_MAX, -ERANGE },
		{ 1ULL << 63, 1, -ERANGE }, { 0, 1ULL << 63, -ERANGE },
		{ 1ULL << 63, 1ULL << 63, -ERANGE },
		{ UINT64_MAX - PAGE + 1, 2 * PAGE, -ERANGE },
		{ UINT32_MAX, 1, -ERANGE }, { 0, 1ULL << 32, -ERANGE },
		{ 1ULL << 32, 1, -ERANGE },
	};
	static char buf[2 * MAX_PAGE];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EXPECT_EQ(rows[i].want, vram_read(self->fd, self->handle,
						  rows[i].offset, buf,
						  rows[i].length))
			TH_LOG("row %zu", i);
		EXPECT_EQ(rows[i].want, vram_write(self->fd, self->handle,
						   rows[i].offset, buf,
						   rows[i].length))
			TH_LOG("row %zu", i);
	}
}

/* ---- other system calls and sysfs ------------------------------------- */

TEST_F(table, no_read_or_write)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, ftruncate(self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->dmabuf, PEER_VRAM_IOC_INFO, &byte));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, read(self->dmabuf, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(table, sysfs)
{
	static const char * const counters[] = {
		"version", "num_alloc_mrs", "num_dealloc_mrs", "num_reg_pages",
		"num_dereg_pages", "num_reg_bytes", "num_dereg_bytes",
		"num_free_callbacks", "num_faults", "num_invalidations",
	};
	char path[256];
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		snprintf(path, sizeof(path), PEERS "%s", counters[i]);
		EXPECT_EQ(0, access(path, R_OK));
		EXPECT_EQ(-EACCES, sysfs_write(path, "0"))
			TH_LOG("%s", counters[i]);
	}
	EXPECT_EQ(-EINVAL, sysfs_write(PARAMETERS "limit_mb", "-1"));
	EXPECT_EQ(-EINVAL, sysfs_write(PARAMETERS "limit_mb", "many"));
	EXPECT_EQ(-ERANGE, sysfs_write(PARAMETERS "limit_mb", "4294967296"));
	EXPECT_EQ(-EINVAL, sysfs_write(PARAMETERS "scatter", "2"));
	EXPECT_EQ(-EINVAL, sysfs_write(PARAMETERS "pin_percent", "-1"));
	EXPECT_EQ(-EACCES, sysfs_write(PARAMETERS "ram_mb", "1"));
}

TEST_HARNESS_MAIN
