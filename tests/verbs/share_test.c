// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One BO in VRAM in two processes, each with its own MRs.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define SIZE (256 * 1024)
#define BOUND_MS 30000

FIXTURE(share)
{
	struct vt_dev dev;
	struct vt_buf buf;
	int socket;
	pid_t pid;
};

/*
 * The other process imports the BO, registers it, and executes commands of one letter.
 * The reply is one byte, 0 for success.
 *   w  WRITE a stream into the BO
 *   r  check that the MR is revoked
 *   d  destroy the BO
 *   q  clean up and exit
 */
static int other_command(char command, struct vt_dev *dev, struct vt_buf *buf)
{
	struct vt_buf host;
	struct vt_pair pair;
	struct ibv_sge sge;
	int ret;

	switch (command) {
	case 'w':
		if (vt_pair_open(&pair, dev, NULL) ||
		    vt_buf_open(&host, dev, &vt_mem_host, SIZE, NULL))
			return 1;
		vt_buf_fill(&host, 42);
		sge = vt_sge(&host, 0, SIZE);
		ret = vt_rdma_write(&pair.end[0], &sge, 1, vt_remote(buf, 0));
		vt_buf_close(&host);
		vt_pair_close(&pair);
		return ret ? 2 : 0;
	case 'r':
		return vt_count_not_revoked(dev, buf) ? 3 : 0;
	case 'd':
		return vt_mem_destroy(&buf->mem) ? 4 : 0;
	default:
		return vt_buf_close(buf) ? 5 : 0;
	}
}

static void other_process(int socket)
{
	int fd = vt_recv_fd(socket);
	struct vt_buf buf = { 0 };
	struct vt_dev dev;
	char command, answer;

	if (fd < 0 || vt_dev_open(&dev) ||
	    vt_mem_import(&buf.mem, &vt_mem_vram_named, fd, SIZE))
		_exit(1);
	close(fd);
	buf.mr = ibv_reg_mr(dev.pd, buf.mem.addr, SIZE, VT_ACCESS_ALL);
	if (!buf.mr)
		_exit(2);
	buf.iova = (uintptr_t)buf.mem.addr;
	/* Ready. */
	if (write(socket, "", 1) != 1)
		_exit(3);
	do {
		if (read(socket, &command, 1) != 1)
			_exit(3);
		answer = other_command(command, &dev, &buf);
		if (write(socket, &answer, 1) != 1)
			_exit(4);
	} while (command != 'q');
	vt_dev_close(&dev);
	_exit(0);
}

static int tell(FIXTURE_DATA(share) *self, char command)
{
	char answer;

	if (write(self->socket, &command, 1) != 1 ||
	    read(self->socket, &answer, 1) != 1)
		return -EPIPE;
	return answer;
}

FIXTURE_SETUP(share)
{
	int sockets[2], fd;
	char ready;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	self->pid = fork();
	if (!self->pid) {
		close(sockets[0]);
		other_process(sockets[1]);
	}
	close(sockets[1]);
	self->socket = sockets[0];

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_buf_open(&self->buf, &self->dev, &vt_mem_vram_named,
				 SIZE, NULL));
	vt_buf_fill(&self->buf, 1);
	fd = vt_mem_share(&self->buf.mem);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_send_fd(self->socket, fd));
	close(fd);
	ASSERT_EQ(1, read(self->socket, &ready, 1));
}

FIXTURE_TEARDOWN(share)
{
	EXPECT_EQ(0, vt_buf_close(&self->buf));
	vt_dev_close(&self->dev);
	close(self->socket);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram_named));
}

TEST_F(share, same_bytes)
{
	EXPECT_EQ(0, tell(self, 'w'));
	vt_pattern_fill(self->buf.shadow, 42, 0, SIZE);
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, tell(self, 'q'));
	EXPECT_EQ(0, vt_wait_child(self->pid, BOUND_MS));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
}

/* The other process keeps the BO. */
TEST_F(share, owner_closes)
{
	EXPECT_EQ(0, vt_buf_close(&self->buf));
	EXPECT_EQ(0, tell(self, 'w'));
	EXPECT_EQ(0, tell(self, 'q'));
	EXPECT_EQ(0, vt_wait_child(self->pid, BOUND_MS));
}

TEST_F(share, other_killed)
{
	struct vt_buf host;
	struct vt_pair pair;
	struct ibv_sge sge;

	EXPECT_EQ(0, tell(self, 'w'));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(self->pid, BOUND_MS));

	ASSERT_EQ(0, vt_pair_open(&pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	vt_buf_fill(&host, 43);
	vt_pattern_fill(self->buf.shadow, 43, 0, SIZE);
	sge = vt_sge(&host, 0, SIZE);
	EXPECT_EQ(0, vt_rdma_write(&pair.end[0], &sge, 1,
				   vt_remote(&self->buf, 0)));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_pair_close(&pair);
}

/* Destruction and revocation affect the MRs of both processes. */
TEST_F_TIMEOUT(share, destroyed_by_one, 60)
{
	EXPECT_EQ(0, vt_mem_destroy(&self->buf.mem));
	EXPECT_EQ(0, tell(self, 'r'));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, tell(self, 'q'));
	EXPECT_EQ(0, vt_wait_child(self->pid, BOUND_MS));
}

TEST_F_TIMEOUT(share, destroyed_by_the_other, 60)
{
	EXPECT_EQ(0, tell(self, 'd'));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->buf));
	EXPECT_EQ(0, tell(self, 'q'));
	EXPECT_EQ(0, vt_wait_child(self->pid, BOUND_MS));
}

TEST_F_TIMEOUT(share, revoked_by_one, 60)
{
	EXPECT_EQ(0, vt_mem_revoke(&self->buf.mem));
	EXPECT_EQ(0, tell(self, 'r'));
	EXPECT_EQ(0, tell(self, 'q'));
	EXPECT_EQ(0, vt_wait_child(self->pid, BOUND_MS));
}

TEST_HARNESS_MAIN
