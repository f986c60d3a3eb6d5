// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A user cannot prevent an exporter from revoking its memory. The user has
 * registered a BO in every way, has operations in progress to a peer that never
 * responds, completions that it does not poll, and a prefetch that hangs, and
 * is then stopped for ever. Every operation of the exporter on the BO must
 * still return.
 *
 * The time limit of each call is generous: the test checks only that it
 * returns.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../vram/vram.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "user.h"

#define SIZE (512 * KIB)
#define DRIVER "/sys/bus/pci/drivers/peer_vram"
#define RETURNS_MS 60000

#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		IBV_ACCESS_REMOTE_WRITE)

/* ---- the user --------------------------------------------------------- */

/*
 * Prefetches a page behind the BO, in the same MR, that never becomes present.
 */
static int start_hanging_prefetch(struct vt_dev *dev, uint8_t *addr, int uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)addr + SIZE, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct ibv_sge sge = { (uintptr_t)addr, SIZE + PAGE, 0 };
	struct pollfd poll_uffd = { .fd = uffd, .events = POLLIN };
	struct ibv_mr *mr;
	int ret;

	if (ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &range))
		return -errno;
	mr = ibv_reg_mr(dev->pd, addr, SIZE + PAGE,
			ACCESS | IBV_ACCESS_ON_DEMAND);
	if (!mr)
		return -errno;
	sge.lkey = mr->lkey;
	ret = vt_advise_mr(dev->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0,
			   &sge, 1);
	if (ret)
		return ret;
	/* The prefetch has reached the page. */
	return poll(&poll_uffd, 1, VT_TIMEOUT_MS) == 1 &&
	       poll_uffd.revents == POLLIN ? 0 : -ETIMEDOUT;
}

/* Writes from the BO to a queue pair that does not exist. */
static int write_to_missing_qp(struct vt_dev *dev, struct vt_end *end,
			  uint8_t *addr, struct ibv_mr *mr)
{
	struct vt_pair_opts opts = { 0 };
	struct vt_address missing;
	struct ibv_sge sge = { (uintptr_t)addr, SIZE, mr->lkey };
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { (uintptr_t)addr, mr->rkey },
	};
	int ret;

	ret = vt_end_open(end, dev, &opts, false);
	if (ret)
		return ret;
	missing = vt_end_address(end, dev);
	missing.qpn = 0xfffff0;
	ret = vt_end_connect(end, dev, &opts, &missing);
	return ret ? ret : vt_post_send(end, &wr);
}

/* Generates completions and polls none. */
static int leave_completions(struct vt_pair *pair, uint8_t *addr,
			     struct ibv_mr *mr)
{
	struct ibv_sge sge = { (uintptr_t)addr, PAGE, mr->lkey };
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { (uintptr_t)addr + SIZE / 2, mr->rkey },
	};
	int i, ret = 0;

	for (i = 0; i < 16 && !ret; i++)
		ret = vt_post_send(&pair->end[0], &wr);
	return ret;
}

struct user {
	int socket;
	int uffd;
	bool pins;
};

static int run_hostile_user(struct user *user)
{
	static struct vt_pair pair;
	static struct vt_end end;
	static struct vt_dev dev;
	struct ibv_mr *on_demand;
	struct peer_vram_query query;
	uint32_t handle;
	uint8_t *addr;
	int fd, ret;

	fd = vram_open(O_RDWR);
	if (fd < 0)
		return fd;
	ret = vram_import(fd, recv_fd(user->socket), &handle);
	if (!ret)
		ret = vram_query(fd, handle, &query);
	if (ret)
		return ret;
	addr = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mmap(addr, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 query.mmap_offset) == MAP_FAILED)
		return -errno;

	ret = vt_dev_open(&dev);
	if (!ret)
		ret = vt_pair_open(&pair, &dev, NULL);
	if (ret)
		return ret;
	on_demand = ibv_reg_mr(dev.pd, addr, SIZE,
			       ACCESS | IBV_ACCESS_ON_DEMAND);
	if (!on_demand || (user->pins && !ibv_reg_mr(dev.pd, addr, SIZE, ACCESS)))
		return -errno;
	ret = leave_completions(&pair, addr, on_demand);
	if (!ret)
		ret = write_to_missing_qp(&dev, &end, addr, on_demand);
	if (!ret)
		ret = start_hanging_prefetch(&dev, addr, user->uffd);
	/* The page waits for the last process that holds the userfaultfd. */
	if (!ret)
		ret = send_fd(user->socket, user->uffd);
	close(user->uffd);
	return ret;
}

/* ---- the exporter ----------------------------------------------------- */

struct call {
	int fd;
	uint32_t handle;
	int (*fn)(struct call *call);
};

static int call_revoke(struct call *call)
{
	return vram_revoke(call->fd, call->handle);
}

static int call_evict(struct call *call)
{
	struct peer_vram_info info;
	uint32_t handle;
	int ret = vram_info(call->fd, &info);

	if (!ret)
		ret = vram_create(call->fd, info.vram_size, 0, &handle);
	return ret ? ret : vram_destroy(call->fd, handle);
}

static int call_move(struct call *call)
{
	int ret = vram_move(call->fd, call->handle, PEER_VRAM_DOMAIN_SYSTEM);

	return ret ? ret : vram_move(call->fd, call->handle,
				     PEER_VRAM_DOMAIN_VRAM);
}

static int call_destroy(struct call *call)
{
	return vram_destroy(call->fd, call->handle);
}

/* Unbinds the device while users have everything open. */
static int call_unbind(struct call *call)
{
	char id[64], path[128];
	ssize_t length;
	int ret;

	(void)call;
	length = readlink("/sys/class/misc/peer_vram0/device", path,
			  sizeof(path) - 1);
	if (length < 0)
		return -errno;
	path[length] = 0;
	snprintf(id, sizeof(id), "%s", strrchr(path, '/') + 1);
	ret = vt_write_file(DRIVER "/unbind", id);
	return ret ? ret : vt_write_file(DRIVER "/bind", id);
}

/* Runs in a child process, so that a call that hangs is detected. */
static int returns(struct call *call)
{
	pid_t pid = fork();
	int ret;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-call->fn(call));
	ret = vt_wait_child(pid, RETURNS_MS);
	return ret > 0 ? -ret : ret;
}

FIXTURE(hostile_user)
{
	struct call call;
	pid_t user;
	int uffd;
};

FIXTURE_VARIANT(hostile_user)
{
	int (*fn)(struct call *call);
	bool pins;
};

FIXTURE_VARIANT_ADD(hostile_user, revoke) { .fn = call_revoke, .pins = true };
FIXTURE_VARIANT_ADD(hostile_user, move) { .fn = call_move };
FIXTURE_VARIANT_ADD(hostile_user, evict) { .fn = call_evict };
FIXTURE_VARIANT_ADD(hostile_user, destroy) { .fn = call_destroy, .pins = true };
FIXTURE_VARIANT_ADD(hostile_user, unbind) { .fn = call_unbind, .pins = true };

FIXTURE_SETUP(hostile_user)
{
	int pair[2], share, ret, status;

	ASSERT_EQ(0, user_grant_device());
	self->call.fn = variant->fn;
	self->call.fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->call.fd);
	ASSERT_EQ(0, vram_create(self->call.fd, SIZE, 0, &self->call.handle));
	share = vram_share(self->call.fd, self->call.handle);
	ASSERT_LE(0, share);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				pair));
	self->user = fork();
	ASSERT_LE(0, self->user);
	if (!self->user) {
		struct user user = { pair[1], -1, variant->pins };

		/*
		 * The userfaultfd stands for a file server that never responds.
		 */
		user.uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		ret = user.uffd < 0 ? -errno : user_become(USER_ATTACKER);
		if (!ret)
			ret = run_hostile_user(&user);
		if (ret)
			_exit(-ret);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(0, send_fd(pair[0], share));
	close(share);
	close(pair[1]);
	ASSERT_EQ(self->user, waitpid(self->user, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status)) {
		TH_LOG("user process failed: errno %d", WEXITSTATUS(status));
	}
	self->uffd = recv_fd(pair[0]);
	ASSERT_LE(0, self->uffd);
	close(pair[0]);
}

FIXTURE_TEARDOWN(hostile_user)
{
	kill(self->user, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(self->user, RETURNS_MS));
	close(self->uffd);
	close(self->call.fd);
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(hostile_user, call_returns, 200)
{
	struct peer_vram_query query;
	int ret;

	ASSERT_EQ(0, vram_query(self->call.fd, self->call.handle, &query));
	EXPECT_LE(1, query.regions);
	EXPECT_EQ(variant->pins, query.pins);
	EXPECT_EQ(0, returns(&self->call));
	ret = vram_query(self->call.fd, self->call.handle, &query);
	if (!ret) {
		EXPECT_EQ(0, query.pins);
	} else {
		EXPECT_EQ(-ENODEV, ret);
	}
}

TEST_HARNESS_MAIN
