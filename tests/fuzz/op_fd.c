// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Descriptors are opened, closed, duplicated, and passed through a socket; processes
 * fork.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/proc.h"

static void op_open(struct fz_run *run)
{
	bool writable = fz_chance(&run->rng, 75);
	int slot, fd;

	fz_lock(run);
	for (slot = 0; slot < FZ_FILES; slot++)
		if (run->world->files[slot].fd < 0)
			break;
	if (slot < FZ_FILES) {
		fz_begin(run, "open", slot, writable, 0, 0, 0);
		fd = open("/dev/peer_vram0",
			  (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		fz_end(run, fd < 0 ? -errno : 0);
		fz_check(run, &(struct fz_want){}, fd);
		run->world->files[slot] = (struct fz_file){ fd, writable };
	}
	fz_unlock(run);
}

static void drop_file(struct fz_world *world, int file)
{
	int i;

	world->files[file].fd = -1;
	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].file == file)
			world->handles[i].handle = 0;
}

/* Closes a descriptor that was removed from a table, if there was one. */
static void end_close(struct fz_run *run, int fd)
{
	long ret;

	if (fd < 0)
		return;
	ret = close(fd) ? -errno : 0;
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

static void op_close(struct fz_run *run)
{
	int slot, fd = -1;

	fz_lock(run);
	slot = fz_pick_file(run);
	if (slot >= 0) {
		fd = run->world->files[slot].fd;
		drop_file(run->world, slot);
		fz_begin(run, "close", slot, 0, 0, 0, 0);
	}
	fz_unlock(run);
	end_close(run, fd);
}

static void op_close_dmabuf(struct fz_run *run)
{
	int slot, fd = -1;

	fz_lock(run);
	slot = fz_pick_dmabuf(run);
	if (slot >= 0) {
		fd = run->world->dmabufs[slot].fd;
		run->world->dmabufs[slot].fd = -1;
		fz_begin(run, "close dmabuf", slot, 0, 0, 0, 0);
	}
	fz_unlock(run);
	end_close(run, fd);
}

/* Return: another descriptor of the same open file. */
static int replace_fd(struct fz_run *run, int fd)
{
	int sock[2], new_fd;

	if (fz_chance(&run->rng, 50))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock))
		return -1;
	new_fd = vt_send_fd(sock[0], fd) ? -1 : vt_recv_fd(sock[1]);
	close(sock[0]);
	close(sock[1]);
	return new_fd;
}

/* Handles belong to the open file, not to the descriptor. */
static void op_replace_fd(struct fz_run *run)
{
	bool is_dmabuf = fz_chance(&run->rng, 40);
	int slot, old = -1, new_fd;
	int *fd = NULL;

	fz_lock(run);
	slot = is_dmabuf ? fz_pick_dmabuf(run) : fz_pick_file(run);
	if (slot >= 0) {
		fd = is_dmabuf ? &run->world->dmabufs[slot].fd :
			     &run->world->files[slot].fd;
		old = *fd;
		fz_begin(run, "replace fd", is_dmabuf, slot, 0, 0, 0);
		new_fd = replace_fd(run, old);
		fz_end(run, new_fd < 0 ? -errno : 0);
		fz_check(run, &(struct fz_want){}, new_fd);
		if (new_fd >= 0)
			*fd = new_fd;
		else
			old = -1;
	}
	fz_unlock(run);
	if (old >= 0)
		close(old);
}

/*
 * The child reads through its copy of the mappings and unmaps parts. This does not
 * affect the parent. It only uses async-signal-safe calls, because the parent may
 * have threads.
 */
static void child(struct fz_rng *rng, int fd)
{
	struct peer_vram_lookup lookup = { .size = sizeof(lookup) };
	int n = fz_below(rng, 12);
	uint64_t value;

	while (n--) {
		uint64_t page = fz_below(rng, FZ_PAGES);
		uint64_t addr = FZ_ARENA + page * FZ_PAGE;

		switch (fz_below(rng, 3)) {
		case 0:
			fz_touch(addr, &value, false);
			break;
		case 1:
			munmap((void *)addr,
			       fz_below(rng, FZ_PAGES - page + 1) * FZ_PAGE);
			break;
		case 2:
			lookup.addr = addr;
			if (!ioctl(fd, PEER_VRAM_IOC_LOOKUP, &lookup)) {
				/* The parent shares the handles: close it. */
				struct peer_vram_handle close = {
					.size = sizeof(close),
					.handle = lookup.handle,
				};

				ioctl(fd, PEER_VRAM_IOC_CLOSE, &close);
			}
			break;
		}
	}
	_exit(0);
}

static void op_fork(struct fz_run *run)
{
	struct fz_rng rng = { fz_next(&run->rng) };
	int slot, fd = -1, ret;
	pid_t pid;

	fz_lock(run);
	slot = fz_pick_file(run);
	if (slot >= 0)
		fd = run->world->files[slot].fd;
	fz_unlock(run);
	fz_begin(run, "fork", slot, 0, 0, 0, 0);
	pid = fork();
	if (!pid)
		child(&rng, fd);
	ret = pid < 0 ? -errno : vt_wait_child(pid, 30000);
	fz_end(run, ret);
	if (ret && !run->world->racing)
		fz_fail(run, "child exited with status %d", ret);
}

const struct fz_op fz_ops_fd[] = {
	{ "open", 12, op_open },
	{ "close", 3, op_close },
	{ "close dmabuf", 10, op_close_dmabuf },
	{ "replace fd", 10, op_replace_fd },
	{ "fork", 2, op_fork },
	{},
};
