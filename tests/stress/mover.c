// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Processes that move pages. A mover shares the open device file of its worker,
 * and so the handles of its BOs. It moves system memory through the worker's
 * pidfd, and exits with its worker. The evictor has more BOs of its own than
 * fit into VRAM.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "lib/pattern.h"
#include "lib/proc.h"
#include "stress.h"

#define COLLAPSE 25	/* MADV_COLLAPSE */

struct mover {
	struct shared *shared;
	struct counters *counters;
	struct layout *layout;
	int vram;
	int pidfd;
	int pagemap;
};

static int move_to(int fd, uint32_t handle, uint32_t domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move), .handle = handle, .domain = domain,
	};

	return ioctl(fd, PEER_VRAM_IOC_MOVE, &move) ? -errno : 0;
}

static bool is_there(struct mover *m, uintptr_t at)
{
	uint64_t entry = 0;

	return pread(m->pagemap, &entry, 8, at / PAGE * 8) == 8 && entry >> 63;
}

static void advise(struct mover *m, uintptr_t at, size_t length, int advice)
{
	struct iovec iov = { (void *)at, length };

	/* The kernel may refuse if a page is in use, which is harmless. */
	(void)!syscall(SYS_process_madvise, m->pidfd, &iov, 1, advice, 0);
}

/* Swaps out up to 8 pages. */
static void move_out(struct mover *m, uintptr_t host, uint64_t random)
{
	uintptr_t at = host + random % (HOST_SIZE / PAGE - 8) * PAGE;
	bool was[8];
	int i, gone = 0;

	for (i = 0; i < 8; i++)
		was[i] = is_there(m, at + i * PAGE);
	advise(m, at, 8 * PAGE, MADV_PAGEOUT);
	for (i = 0; i < 8; i++)
		gone += was[i] && !is_there(m, at + i * PAGE);
	atomic_fetch_add(&m->counters->host_moves, gone);
}

static void move_host(struct mover *m, uint64_t random)
{
	uintptr_t host = atomic_load(&m->layout->host);

	if (!host)
		return;
	if (random % 512 == 0)
		vt_write_file("/proc/sys/vm/compact_memory", "1");
	else if (random % 32 == 0)
		advise(m, (host + 2 * MIB - 1) & ~(2 * MIB - 1), 2 * MIB,
		       COLLAPSE);
	else
		move_out(m, host, random >> 16);
}

static int move_bo(struct mover *m, uint64_t random)
{
	uint32_t handle = atomic_load(&m->layout->handle[random % NUM_BOS]);

	if (!handle)
		return 0;
	return move_to(m->vram, handle, random >> 16 & 1 ?
		       PEER_VRAM_DOMAIN_VRAM : PEER_VRAM_DOMAIN_SYSTEM);
}

/* No room is a valid result: others use or pin it at the moment. */
static bool is_harmless(int ret)
{
	return !ret || ret == -ENOMEM || ret == -EBUSY;
}

int mover_run(struct shared *shared, int index, int vram, pid_t worker,
	      uint64_t seed)
{
	struct mover m = {
		.shared = shared,
		.counters = &shared->counters[index],
		.layout = &shared->layout[index],
		.vram = vram,
	};
	char path[64];
	uint64_t n = 0;
	int ret = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker)
		return 0;
	m.pidfd = syscall(SYS_pidfd_open, worker, 0);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", worker);
	m.pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (m.pidfd < 0 || m.pagemap < 0)
		return 1;
	while (is_harmless(ret) && !atomic_load(&shared->stop)) {
		uint64_t random = vt_pattern_word(seed, n++);

		if (random >> 60)
			ret = move_bo(&m, random);
		else
			move_host(&m, random);
		usleep((random >> 32) % 4000);
	}
	if (!is_harmless(ret))
		fprintf(stderr, "# mover %d: %s\n", index, strerror(-ret));
	return !is_harmless(ret);
}

/* ---- the evictor ---- */

#define NUM_FILLERS 80
#define BALLAST (8 * MIB)
#define PINNABLE_LEFT (2 * MIB)
#define MAX_BALLAST 64

/* Pins most of VRAM, so that the rest fills up soon. */
static int pin_ballast(struct vt_dev *dev)
{
	static struct vt_buf ballast[MAX_BALLAST];
	struct vt_vram_info info;
	int ret = 0, n;

	for (n = 0; n < MAX_BALLAST && !ret; n++) {
		uint64_t length;

		ret = vt_vram_info(&info);
		if (ret || info.pinnable < PINNABLE_LEFT + BO_SIZE)
			break;
		length = info.pinnable - PINNABLE_LEFT;
		length -= length % BO_SIZE;
		ret = vt_buf_open(&ballast[n], dev, &vt_mem_vram,
				  length > BALLAST ? BALLAST : length, NULL);
	}
	return ret;
}

static int create_fillers(int fd, uint32_t *filler)
{
	int i;

	for (i = 0; i < NUM_FILLERS; i++) {
		struct peer_vram_create create = {
			.size = sizeof(create), .length = BO_SIZE,
			.flags = PEER_VRAM_CREATE_SYSTEM,
		};

		if (ioctl(fd, PEER_VRAM_IOC_CREATE, &create))
			return -errno;
		filler[i] = create.handle;
	}
	return 0;
}

int evictor_run(struct shared *shared, uint64_t seed, int ready)
{
	int fd = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	uint32_t filler[NUM_FILLERS];
	struct vt_dev dev;
	uint64_t n = 0;
	int ret;

	ret = fd < 0 ? -errno : vt_dev_open(&dev);
	if (!ret)
		ret = pin_ballast(&dev);
	if (!ret)
		ret = create_fillers(fd, filler);
	if (write(ready, ret ? "n" : "y", 1) != 1)
		ret = -EIO;
	while (is_harmless(ret) && !atomic_load(&shared->stop)) {
		ret = move_to(fd, filler[n % NUM_FILLERS],
			      PEER_VRAM_DOMAIN_VRAM);
		usleep(vt_pattern_word(seed, n++) % 6000);
	}
	if (!is_harmless(ret))
		fprintf(stderr, "# evictor: %s\n", strerror(-ret));
	return !is_harmless(ret);
}
