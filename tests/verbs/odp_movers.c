// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Ways to move the pages under an on-demand MR. See odp_workload.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "../page_size.h"
#include "lib/proc.h"
#include "odp_workload.h"

/* ---- in another process ---- */

static int move_to(int fd, uint32_t handle, uint32_t domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move), .handle = handle, .domain = domain,
	};

	return ioctl(fd, PEER_VRAM_IOC_MOVE, &move) ? -errno : 1;
}

/* Opens the device in the process of the mover, and imports the BOs. */
static int import_bos(struct workload *w)
{
	struct peer_vram_share share = { .size = sizeof(share) };
	int i;

	w->vram = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	for (i = 0; i < BOS; i++) {
		share.fd = w->shared[i];
		if (ioctl(w->vram, PEER_VRAM_IOC_IMPORT, &share))
			return -errno;
		w->handle[i] = share.handle;
	}
	return 0;
}

static int vram_info(int fd, struct peer_vram_info *info)
{
	*info = (struct peer_vram_info){ .size = sizeof(*info) };
	return ioctl(fd, PEER_VRAM_IOC_INFO, info) ? -errno : 0;
}

/* Counts the moves that did happen, including those by faults. */
int move_bos(struct workload *w, uint64_t random)
{
	int ret = w->handle[0] ? 0 : import_bos(w);
	struct peer_vram_info info;
	static uint64_t before;
	uint64_t moved;

	if (!ret)
		ret = move_to(w->vram, w->handle[random % BOS],
			      random >> 8 & 1 ? PEER_VRAM_DOMAIN_VRAM :
						PEER_VRAM_DOMAIN_SYSTEM);
	if (ret >= 0)
		ret = vram_info(w->vram, &info);
	if (ret < 0)
		return ret;
	moved = before ? info.moves - before : 0;
	before = info.moves;
	return moved;
}

/* More BOs than fit into the VRAM. */
#define HOG (4 * MIB)
#define HOGS 20

static int make_hogs(struct workload *w, uint32_t *hog)
{
	int i;

	w->vram = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	for (i = 0; i < HOGS; i++) {
		struct peer_vram_create create = {
			.size = sizeof(create), .length = HOG,
			.flags = PEER_VRAM_CREATE_SYSTEM,
		};

		if (ioctl(w->vram, PEER_VRAM_IOC_CREATE, &create))
			return -errno;
		hog[i] = create.handle;
	}
	return 0;
}

int move_evict(struct workload *w, uint64_t random)
{
	static uint32_t hog[HOGS];
	struct peer_vram_info before = { 0 }, after = { 0 };
	static int next;
	int ret = 0;

	if (!hog[0])
		ret = make_hogs(w, hog);
	if (!ret)
		ret = vram_info(w->vram, &before);
	if (!ret)
		ret = move_to(w->vram, hog[next++ % HOGS],
			      PEER_VRAM_DOMAIN_VRAM);
	if (ret >= 0)
		ret = vram_info(w->vram, &after);
	return ret < 0 ? ret : (int)(after.evictions - before.evictions);
}

/* madvise() on the memory of the owner by another process. */
static int owner_madvise(struct workload *w, uint8_t *at, size_t length,
			 int advice)
{
	struct iovec iov = { at, length };
	static int fd = -1;

	if (fd < 0)
		fd = syscall(SYS_pidfd_open, w->owner, 0);
	return syscall(SYS_process_madvise, fd, &iov, 1, advice, 0) < 0 ?
	       -errno : 0;
}

/* Return: true if the page is present in the CPU's page table of the owner. */
static bool owner_has(struct workload *w, uint8_t *at)
{
	uint64_t entry = 0;
	static int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", w->owner);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(fd, &entry, 8, (uintptr_t)at / page_size() * 8) != 8)
		return false;
	return entry >> 63;
}

int move_out(struct workload *w, uint64_t random)
{
	size_t page = page_size();
	uint8_t *at = w->addr + random % (SIZE / page) * page;

	if (random >> 32 & 0xff) {
		if (!owner_has(w, at))
			return 0;
		return owner_madvise(w, at, page, MADV_PAGEOUT) ? -EIO :
		       !owner_has(w, at);
	}
	return vt_write_file("/proc/sys/vm/compact_memory", "1") ? -EIO : 1;
}

/* In turn collapses pages into a huge page, and splits it. */
int move_thp(struct workload *w, uint64_t random)
{
	static bool split;
	char text[96];
	int ret;

	split = !split;
	if (!split) {
		ret = owner_madvise(w, w->addr, HUGE, 25 /* MADV_COLLAPSE */);
		/* Pages that are being migrated or swapped cannot be collapsed. */
		return ret == -EAGAIN || ret == -EBUSY || ret == -EINVAL ?
		       0 : ret ? ret : 1;
	}
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", w->owner,
		 (unsigned long)w->addr, (unsigned long)w->addr + HUGE);
	ret = vt_write_file("/sys/kernel/debug/split_huge_pages", text);
	return ret ? ret : 1;
}

/* ---- changes of the contents or the protection of a slot ---- */

/* One of this many moves that forbid access checks that an access fails. */
#define PROBE_EVERY 128

static int probe(struct workload *w, int slot, bool write)
{
	struct ibv_sge sge = vt_sge(&w->src, slot * SLOT, SLOT);
	struct vt_remote at = {
		(uintptr_t)w->addr + slot * SLOT, w->mr->rkey
	};

	return write ? vt_rdma_write(&w->probe.end[0], &sge, 1, at) :
		       vt_rdma_read(&w->probe.end[0], &sge, 1, at);
}

static int change_drop(struct workload *w, int slot, uint64_t random)
{
	memset(w->shadow + slot * SLOT, 0, SLOT);
	return madvise(w->addr + slot * SLOT, SLOT, MADV_DONTNEED) ? -errno : 0;
}

static int change_rights(struct workload *w, int slot, uint64_t random)
{
	uint8_t *at = w->addr + slot * SLOT;
	bool none = random & 1;

	if (mprotect(at, SLOT, none ? PROT_NONE : PROT_READ))
		return -errno;
	if (random >> 32 & (PROBE_EVERY - 1)) {
		sched_yield();
	} else {
		if (probe(w, slot, true) != IBV_WC_REM_ACCESS_ERR)
			return -EPERM;
		if (!none && !slot_matches(w, slot, at))
			return -EILSEQ;
		if (vt_pair_renew(&w->probe))
			return -EIO;
	}
	return mprotect(at, SLOT, PROT_READ | PROT_WRITE) ? -errno : 0;
}

/* Must not create a queue pair in between: its queues could be mapped into the hole. */
static int change_address(struct workload *w, int slot, uint64_t random)
{
	bool try = !(random >> 32 & (PROBE_EVERY - 1));
	uint8_t *at = w->addr + slot * SLOT;
	uint8_t *to = w->spare + slot * SLOT;
	int ret = 0;

	if (mremap(at, SLOT, SLOT, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return -errno;
	if (!slot_matches(w, slot, to))
		ret = -EILSEQ;
	if (try && probe(w, slot, true) != IBV_WC_REM_ACCESS_ERR)
		ret = -EPERM;
	if (!slot_matches(w, slot, to))
		ret = -EILSEQ;
	if (mremap(to, SLOT, SLOT, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		return -errno;
	return try && !ret ? vt_pair_renew(&w->probe) : ret;
}

/*
 * The child keeps the contents of the slot whatever the parent receives, and what it
 * writes does not reach the parent.
 */
static int child_of_fork(struct workload *w, int slot, int gate)
{
	uint8_t *at = w->addr + slot * SLOT;
	char token;

	memset(at, 0xcc, SLOT / 2);
	if (read(gate, &token, 1) != 1)
		return 2;
	if (vt_first_diff(at + SLOT / 2, w->shadow + slot * SLOT + SLOT / 2,
			  SLOT / 2) >= 0)
		return 3;
	memset(at, 0xdd, SLOT);
	return 0;
}

static int change_fork(struct workload *w, int slot, uint64_t random)
{
	struct ibv_sge sge = vt_sge(&w->src, 0, SLOT);
	struct vt_remote at = {
		(uintptr_t)w->addr + slot * SLOT, w->mr->rkey
	};
	int gate[2], status, ret = 0;
	pid_t pid;

	if (pipe(gate))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(child_of_fork(w, slot, gate[0]));
	if (pid > 0) {
		if (vt_rdma_write(&w->probe.end[0], &sge, 1, at))
			ret = -EIO;
		memcpy(w->shadow + slot * SLOT, w->src.shadow, SLOT);
		if (write(gate[1], "x", 1) != 1)
			ret = -errno;
		if (waitpid(pid, &status, 0) != pid || status)
			ret = -EILSEQ;
	}
	close(gate[0]);
	close(gate[1]);
	return pid < 0 ? -EAGAIN : ret;
}

static int locked(struct workload *w, uint64_t random,
		  int (*change)(struct workload *w, int slot, uint64_t random))
{
	int slot = (random >> 48) % SLOTS;
	int ret;

	if (pthread_mutex_trylock(&w->lock[slot])) {
		sched_yield();
		return 0;
	}
	ret = change(w, slot, random);
	if (!ret && !slot_matches(w, slot, w->addr + slot * SLOT))
		ret = -EILSEQ;
	pthread_mutex_unlock(&w->lock[slot]);
	return ret ? ret : 1;
}

int move_drop(struct workload *w, uint64_t random)
{
	return locked(w, random, change_drop);
}

int move_rights(struct workload *w, uint64_t random)
{
	return locked(w, random, change_rights);
}

int move_address(struct workload *w, uint64_t random)
{
	return locked(w, random, change_address);
}

int move_fork(struct workload *w, uint64_t random)
{
	return locked(w, random, change_fork);
}

static void *mover_run(void *arg)
{
	struct workload *w = arg;
	uint64_t n = 0;
	int ret = 0;

	while (ret >= 0 && !atomic_load(&w->progress->stop)) {
		ret = w->move(w, vt_pattern_word(77, n++));
		if (ret > 0)
			atomic_fetch_add(&w->progress->moves, ret);
	}
	if (ret < 0)
		atomic_store(&w->progress->failed, ret);
	return NULL;
}

int mover_start(struct workload *w, bool process)
{
	w->owner = getpid();
	if (!process) {
		w->threaded = true;
		return -pthread_create(&w->thread, NULL, mover_run, w);
	}
	fflush(NULL);
	w->pid = fork();
	if (!w->pid) {
		mover_run(w);
		_exit(0);
	}
	return w->pid < 0 ? -errno : 0;
}

int mover_stop(struct workload *w)
{
	int ret = 0;

	atomic_store(&w->progress->stop, true);
	if (w->threaded)
		pthread_join(w->thread, NULL);
	if (w->pid > 0)
		ret = vt_wait_child(w->pid, 20000);
	w->threaded = false;
	w->pid = 0;
	return ret ? ret : atomic_load(&w->progress->failed);
}
