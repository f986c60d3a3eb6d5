// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Storage over RDMA without a copy in the server's system memory:
 *
 *   1. the client writes to the CMB of an NVMe controller with RDMA WRITE
 *   2. the controller writes the CMB to its disk; the server clears the CMB
 *   3. the controller reads its disk into the CMB
 *   4. the client reads the CMB with RDMA READ and compares
 *
 * Once with a pinned MR, once with an on-demand MR. Client and server are two
 * processes. They exchange addresses, a key and notifications through a socket.
 *
 * usage: storage NODE
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdma/peer_cmb.h>

#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/verbs.h"

#define LENGTH (16UL << 20)
#define MESSAGE (1UL << 20)

/* Messages on the socket, after the greeting of both sides. */
enum word { WRITTEN = 'w', STORED = 's', WRONG = 'x' };

struct greeting {
	struct vt_address address;
	struct vt_remote memory;	/* of the server */
};

/* One side: its device, its end of the connection, and its socket. */
struct side {
	int socket;
	struct vt_dev dev;
	struct vt_end end;
	struct greeting peer;
};

static const struct vt_pair_opts options;

static void say_bytes(struct side *side, const void *bytes, size_t length)
{
	if (send(side->socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		errx(1, "the other side closed the connection");
}

static void hear_bytes(struct side *side, void *bytes, size_t length)
{
	if (recv(side->socket, bytes, length, MSG_WAITALL) != (ssize_t)length)
		errx(1, "the other side closed the connection");
}

static void say(struct side *side, enum word word)
{
	char byte = word;

	say_bytes(side, &byte, 1);
}

static void hear(struct side *side, enum word word)
{
	char byte;

	hear_bytes(side, &byte, 1);
	if (byte != (char)word)
		errx(1, "received message '%c', expected '%c'", byte, word);
}

static void must(int ret, const char *what)
{
	if (ret)
		errx(1, "%s: %s", what,
		     ret < 0 ? strerror(-ret) : ibv_wc_status_str(ret));
}

static void open_side(struct side *side)
{
	must(vt_dev_open(&side->dev), "RDMA device");
	must(vt_end_open(&side->end, &side->dev, &options, false), "queue pair");
}

static void connect_sides(struct side *side, struct vt_remote memory)
{
	struct greeting mine = {
		.address = vt_end_address(&side->end, &side->dev),
		.memory = memory,
	};

	say_bytes(side, &mine, sizeof(mine));
	hear_bytes(side, &side->peer, sizeof(side->peer));
	must(vt_end_connect(&side->end, &side->dev, &options,
			    &side->peer.address), "connecting");
}

/* ---- the client ------------------------------------------------------- */

typedef int (*transfer_fn)(struct vt_end *end, struct ibv_sge *sge, int num_sge,
			   struct vt_remote remote);

static void transfer(struct side *side, struct vt_buf *buf, transfer_fn fn)
{
	struct vt_remote there = side->peer.memory;
	uint64_t at;

	for (at = 0; at < LENGTH; at += MESSAGE, there.addr += MESSAGE) {
		struct ibv_sge sge = vt_sge(buf, at, MESSAGE);

		must(fn(&side->end, &sge, 1, there), "RDMA");
	}
}

static uint64_t count_wrong(const struct vt_buf *buf)
{
	uint64_t n, wrong = 0;

	for (n = 0; n < LENGTH; n++)
		wrong += buf->mem.addr[n] != buf->shadow[n];
	return wrong;
}

/* Returns the number of wrong bytes. */
static uint64_t client(int socket, int seed)
{
	struct side side = { .socket = socket };
	struct vt_buf buf;
	uint64_t wrong;

	open_side(&side);
	must(vt_buf_open(&buf, &side.dev, &vt_mem_host, LENGTH, NULL),
	     "the client's memory");
	connect_sides(&side, (struct vt_remote){ 0 });

	vt_buf_fill(&buf, seed);
	transfer(&side, &buf, vt_rdma_write);
	printf("  client: RDMA WRITE of %lu bytes into the CMB\n", LENGTH);
	say(&side, WRITTEN);

	hear(&side, STORED);
	memset(buf.mem.addr, 0, LENGTH);
	transfer(&side, &buf, vt_rdma_read);
	wrong = count_wrong(&buf);
	printf("  client: RDMA READ of %lu bytes, %llu wrong\n", LENGTH,
	       (unsigned long long)wrong);
	say(&side, wrong ? WRONG : WRITTEN);
	return wrong;
}

/* ---- the server ------------------------------------------------------- */

static void move(int fd, void *buffer, uint64_t place, uint32_t flags)
{
	struct peer_cmb_io io = {
		.size = sizeof(io),
		.flags = flags,
		.addr = (uintptr_t)buffer,
		.length = LENGTH,
		.offset = place,
		.disk = -1,
	};

	if (ioctl(fd, PEER_CMB_IOC_IO, &io))
		err(1, "disk");
}

/* @place: byte offset on the disk */
static void serve(int socket, int fd, void *buffer, uint64_t place, int on_demand)
{
	struct side side = { .socket = socket };
	struct ibv_mr *mr;

	open_side(&side);
	mr = ibv_reg_mr(side.dev.pd, buffer, LENGTH,
			IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			IBV_ACCESS_REMOTE_WRITE | on_demand);
	if (!mr)
		err(1, "registering the buffer");
	connect_sides(&side, (struct vt_remote){ (uintptr_t)buffer, mr->rkey });

	hear(&side, WRITTEN);
	move(fd, buffer, place, PEER_CMB_IO_WRITE);
	printf("  server: the controller wrote the CMB to its disk, at %llu\n",
	       (unsigned long long)place);
	memset(buffer, 0, LENGTH);
	printf("  server: the CMB is cleared\n");
	move(fd, buffer, place, 0);
	printf("  server: the controller read its disk into the CMB\n");
	say(&side, STORED);
	hear(&side, WRITTEN);
	must(ibv_dereg_mr(mr), "deregistering the buffer");
	vt_end_close(&side.end);
	vt_dev_close(&side.dev);
}

/* Returns true if all bytes are correct. */
static bool round_trip(int fd, void *buffer, int seed, int on_demand)
{
	int sockets[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		err(1, "socketpair");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		close(sockets[0]);
		exit(client(sockets[1], seed) ? 1 : 0);
	}
	close(sockets[1]);
	serve(sockets[0], fd, buffer, seed * LENGTH, on_demand);
	close(sockets[0]);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	void *buffer;
	int fd;

	if (argc != 2)
		errx(2, "usage: storage NODE");
	setvbuf(stdout, NULL, _IOLBF, 0);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	buffer = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (buffer == MAP_FAILED)
		err(1, "%s: mmap", argv[1]);

	printf("  with a pinned MR\n");
	if (!round_trip(fd, buffer, 1, 0))
		return 1;
	printf("  with an on-demand MR\n");
	if (!round_trip(fd, buffer, 2, IBV_ACCESS_ON_DEMAND))
		return 1;
	printf("  total: %lu bytes, remote -> CMB -> disk -> CMB -> remote, all correct\n",
	       2 * LENGTH);
	return 0;
}
