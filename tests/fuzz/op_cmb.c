// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The device file of a controller memory buffer. Each operation opens it, then maps,
 * unmaps, registers, revokes and destroys memory, transfers it from and to the disk,
 * and closes everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/peer_cmb.h>

#include "lib/mem.h"
#include "words.h"

#define AREA_PAGES 64
#define REGIONS 4

/* An open file. @base: start of AREA_PAGES pages, in which it is mapped */
struct session {
	struct fz_run *run;
	int fd;
	bool writable;
	uint64_t base;
	struct ibv_mr *mrs[REGIONS];
};

static uint64_t random_page(struct session *v)
{
	return v->base + fz_below(&v->run->rng, AREA_PAGES) * FZ_PAGE;
}

/* A length in pages, up to the end of the area. */
static uint64_t random_length(struct session *v, uint64_t at)
{
	uint64_t room = v->base + AREA_PAGES * FZ_PAGE - at;

	return FZ_PAGE + fz_below(&v->run->rng, room) / FZ_PAGE * FZ_PAGE;
}

static void record(struct session *v, const char *name, uint64_t a, uint64_t b,
		   uint64_t c, const struct fz_want *want, long ret)
{
	fz_lock(v->run);
	fz_begin(v->run, name, a, b, c, 0, 0);
	fz_end(v->run, ret);
	fz_check(v->run, want, ret);
	fz_unlock(v->run);
}

/* ---- mappings and MRs ---- */

static void map(struct session *v)
{
	struct fz_rng *rng = &v->run->rng;
	uint64_t at = random_page(v), length = random_length(v, at);
	int flags = fz_chance(rng, 5) ? MAP_PRIVATE : MAP_SHARED;
	off_t offset = fz_chance(rng, 5) ? (1 + fz_below(rng, 9)) * FZ_PAGE : 0;
	int prot = fz_chance(rng, 70) ? PROT_READ | PROT_WRITE : PROT_READ;
	struct fz_want want = {};
	void *got;

	if (flags == MAP_PRIVATE || offset)
		fz_must(&want, EINVAL);
	if (flags == MAP_SHARED && prot & PROT_WRITE && !v->writable)
		fz_must(&want, EACCES);
	fz_may(&want, ENOSPC);
	fz_may(&want, ENOMEM);
	munmap((void *)at, length);
	got = mmap((void *)at, length, prot, flags | MAP_FIXED, v->fd, offset);
	record(v, "cmb mmap", at, length, prot, &want,
	       got == MAP_FAILED ? -errno : 0);
}

static void unmap(struct session *v)
{
	uint64_t at = random_page(v), length = random_length(v, at);

	record(v, "cmb munmap", at, length, 0, &(struct fz_want){},
	       munmap((void *)at, length) ? -errno : 0);
}

/* The result is a signal or 0, and depends on earlier operations. */
static void access_page(struct session *v)
{
	uint64_t at = random_page(v), value = at;
	bool write = fz_chance(&v->run->rng, 50);

	record(v, "cmb touch", at, write, 0, &(struct fz_want){},
	       fz_touch(at, &value, write));
}

/* Replaces one MR. */
static void reg_mr(struct session *v)
{
	struct ibv_mr **mr = &v->mrs[fz_below(&v->run->rng, REGIONS)];
	uint64_t at = random_page(v), length = random_length(v, at);
	int access = IBV_ACCESS_REMOTE_READ;
	struct fz_want want = {};

	if (fz_chance(&v->run->rng, 70))
		access |= IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	if (fz_chance(&v->run->rng, 50))
		access |= IBV_ACCESS_ON_DEMAND;
	fz_may(&want, EFAULT);
	fz_may(&want, EACCES);
	fz_may(&want, ENODEV);
	fz_may(&want, ENOMEM);
	if (*mr && ibv_dereg_mr(*mr))
		fz_fail(v->run, "cannot deregister an MR of a CMB");
	*mr = ibv_reg_mr(v->run->pair.dev->pd, (void *)at, length, access);
	record(v, "cmb reg", at, length, access, &want, *mr ? 0 : -errno);
}

/* ---- ioctls ---- */

union args {
	struct peer_bar_info info;
	struct peer_bar_addr at;
	struct peer_cmb_disk disk;
	struct peer_cmb_io io;
	uint32_t words[FZ_MAX_PAGE / 4];
};

static const struct {
	const char *name;
	unsigned long nr;
	size_t size;
	int may[12];
} calls[] = {
	{ "cmb info", PEER_BAR_IOC_INFO, sizeof(struct peer_bar_info),
	  { EINVAL, E2BIG } },
	{ "cmb revoke", PEER_BAR_IOC_REVOKE, sizeof(struct peer_bar_addr),
	  { EINVAL, E2BIG, ENXIO, EACCES, ENODEV } },
	{ "cmb destroy", PEER_BAR_IOC_DESTROY, sizeof(struct peer_bar_addr),
	  { EINVAL, E2BIG, ENXIO, EACCES, ENODEV } },
	{ "cmb disk", PEER_CMB_IOC_DISK, sizeof(struct peer_cmb_disk),
	  { EINVAL, E2BIG, EACCES, ENOTTY, ENOMEDIUM } },
	{ "cmb io", PEER_CMB_IOC_IO, sizeof(struct peer_cmb_io),
	  { EINVAL, E2BIG, ENXIO, EACCES, ENODEV, EPERM, EFAULT, EBADF, ENOTBLK,
	    ERANGE, ENOMEDIUM, ENOMEM } },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void fill_args(struct session *v, unsigned long nr, union args *arg)
{
	struct fz_rng *rng = &v->run->rng;

	switch (nr) {
	case PEER_BAR_IOC_REVOKE:
	case PEER_BAR_IOC_DESTROY:
		arg->at.addr = random_page(v) + fz_below(rng, FZ_PAGE);
		break;
	case PEER_CMB_IOC_IO:
		arg->io.flags = fz_below(rng, 2);
		arg->io.addr = random_page(v);
		arg->io.length = (1 + fz_below(rng, 4)) * FZ_PAGE;
		arg->io.offset = fz_below(rng, 64) * FZ_PAGE;
		arg->io.disk = -1;
		break;
	}
}

static void do_ioctl(struct session *v)
{
	size_t n = fz_below(&v->run->rng, CALLS), i;
	struct fz_want want = {};
	union args arg = {};

	arg.words[0] = calls[n].size;
	fill_args(v, calls[n].nr, &arg);
	fz_corrupt(v->run, arg.words, calls[n].size / 4);
	for (i = 0; i < sizeof(calls[n].may) / sizeof(int); i++)
		fz_may(&want, calls[n].may[i]);
	fz_ioctl_words(v->run, calls[n].name, v->fd, calls[n].nr, arg.words,
		       &want);
}

static void end_session(struct session *v)
{
	int i;

	for (i = 0; i < REGIONS; i++)
		if (v->mrs[i] && ibv_dereg_mr(v->mrs[i]))
			fz_fail(v->run, "cannot deregister an MR");
	munmap((void *)v->base, AREA_PAGES * FZ_PAGE);
	close(v->fd);
}

static void op_cmb(struct fz_run *run)
{
	static void (*const steps[])(struct session *) = {
		map, map, unmap, access_page, reg_mr, do_ioctl, do_ioctl,
	};
	struct session v = { .run = run };
	int n = 1 + fz_below(&run->rng, 16);

	v.writable = fz_chance(&run->rng, 75);
	v.base = (uintptr_t)run->scratch + (1UL << 28);
	v.fd = open(vt_mem_cmb.node,
		    (v.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	record(&v, "cmb open", v.writable, 0, 0, &(struct fz_want){},
	       v.fd < 0 ? -errno : 0);
	while (n--)
		steps[fz_below(&run->rng, sizeof(steps) / sizeof(steps[0]))](&v);
	end_session(&v);
}

const struct fz_op fz_ops_cmb[] = {
	{ "cmb", 20, op_cmb },
	{},
};
