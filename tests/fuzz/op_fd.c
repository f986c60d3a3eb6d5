// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Descriptors come, go, are doubled and passed through a socket; processes fork.
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

static void go_open(struct fz_run *run)
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

static void forget_file(struct fz_world *world, int file)
{
	int i;

	world->files[file].fd = -1;
	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].file == file)
			world->handles[i].handle = 0;
}

/* Closes what was taken out of a table, if there was anything. */
static void end_close(struct fz_run *run, int fd)
{
	long ret;

	if (fd < 0)
		return;
	ret = close(fd) ? -errno : 0;
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

static void go_close(struct fz_run *run)
{
	int slot, fd = -1;

	fz_lock(run);
	slot = fz_pick_file(run);
	if (slot >= 0) {
		fd = run->world->files[slot].fd;
		forget_file(run->world, slot);
		fz_begin(run, "close", slot, 0, 0, 0, 0);
	}
	fz_unlock(run);
	end_close(run, fd);
}

static void go_close_share(struct fz_run *run)
{
	int slot, fd = -1;

	fz_lock(run);
	slot = fz_pick_share(run);
	if (slot >= 0) {
		fd = run->world->shares[slot].fd;
		run->world->shares[slot].fd = -1;
		fz_begin(run, "close share", slot, 0, 0, 0, 0);
	}
	fz_unlock(run);
	end_close(run, fd);
}

/* Another number for the same open file. */
static int renumber(struct fz_run *run, int fd)
{
	int sock[2], fresh;

	if (fz_chance(&run->rng, 50))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock))
		return -1;
	fresh = vt_send_fd(sock[0], fd) ? -1 : vt_recv_fd(sock[1]);
	close(sock[0]);
	close(sock[1]);
	return fresh;
}

/* Handles are of the open file, whatever number it has. */
static void go_renumber(struct fz_run *run)
{
	bool share = fz_chance(&run->rng, 40);
	int slot, old = -1, fresh;
	int *fd = NULL;

	fz_lock(run);
	slot = share ? fz_pick_share(run) : fz_pick_file(run);
	if (slot >= 0) {
		fd = share ? &run->world->shares[slot].fd :
			     &run->world->files[slot].fd;
		old = *fd;
		fz_begin(run, "renumber", share, slot, 0, 0, 0);
		fresh = renumber(run, old);
		fz_end(run, fresh < 0 ? -errno : 0);
		fz_check(run, &(struct fz_want){}, fresh);
		if (fresh >= 0)
			*fd = fresh;
		else
			old = -1;
	}
	fz_unlock(run);
	if (old >= 0)
		close(old);
}

/*
 * What the child does to its copy of the mappings, and reads through them,
 * changes nothing for us. Only calls that are safe after a fork of threads.
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
				/* The handles are the parent's, too. */
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

static void go_fork(struct fz_run *run)
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
		fz_fail(run, "a child ends with %d", ret);
}

const struct fz_op fz_ops_fd[] = {
	{ "open", 12, go_open },
	{ "close", 3, go_close },
	{ "close share", 10, go_close_share },
	{ "renumber", 10, go_renumber },
	{ "fork", 2, go_fork },
	{},
};
