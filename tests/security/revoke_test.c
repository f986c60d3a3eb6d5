// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A user cannot keep an exporter from taking its memory back. The user has
 * registered an object in every way, has traffic under way to a peer that never
 * answers, completions that nobody collects and a prefetch that hangs, and is
 * then stopped, for ever. Whatever the exporter does to the object returns.
 *
 * The clock of each call is generous: what is asked is whether it returns.
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

/* A page after the object that never comes, in the same region. */
static int hang_prefetch(struct vt_dev *dev, uint8_t *addr, int uffd)
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
	/* It has come to the page. */
	return poll(&poll_uffd, 1, VT_TIMEOUT_MS) == 1 &&
	       poll_uffd.revents == POLLIN ? 0 : -ETIMEDOUT;
}

/* Writes out of the object, to a queue pair that does not exist. */
static int talk_to_nobody(struct vt_dev *dev, struct vt_end *end,
			  uint8_t *addr, struct ibv_mr *mr)
{
	struct vt_pair_opts opts = { 0 };
	struct vt_address nobody;
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
	nobody = vt_end_address(end, dev);
	nobody.qpn = 0xfffff0;
	ret = vt_end_connect(end, dev, &opts, &nobody);
	return ret ? ret : vt_post_send(end, &wr);
}

/* Completions, of which none is collected. */
static int never_poll(struct vt_pair *pair, uint8_t *addr, struct ibv_mr *mr)
{
	struct ibv_sge sge = { (uintptr_t)addr, 4096, mr->lkey };
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

static int be_a_nuisance(struct user *user)
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
	ret = never_poll(&pair, addr, on_demand);
	if (!ret)
		ret = talk_to_nobody(&dev, &end, addr, on_demand);
	if (!ret)
		ret = hang_prefetch(&dev, addr, user->uffd);
	/* Who holds it last is the one whom the page waits for. */
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

/* The device goes, under all that users have. */
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

/* In a process of its own, so that one that hangs is found out. */
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

FIXTURE(nuisance)
{
	struct call call;
	pid_t user;
	int uffd;
};

FIXTURE_VARIANT(nuisance)
{
	int (*fn)(struct call *call);
	bool pins;
};

FIXTURE_VARIANT_ADD(nuisance, revoke) { .fn = call_revoke, .pins = true };
FIXTURE_VARIANT_ADD(nuisance, move) { .fn = call_move };
FIXTURE_VARIANT_ADD(nuisance, evict) { .fn = call_evict };
FIXTURE_VARIANT_ADD(nuisance, destroy) { .fn = call_destroy, .pins = true };
FIXTURE_VARIANT_ADD(nuisance, unbind) { .fn = call_unbind, .pins = true };

FIXTURE_SETUP(nuisance)
{
	int pair[2], share, ret, status;

	ASSERT_EQ(0, user_grant_node());
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

		/* Stands for a file whose server never answers. */
		user.uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		ret = user.uffd < 0 ? -errno : user_become(USER_SPY);
		if (!ret)
			ret = be_a_nuisance(&user);
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
		TH_LOG("the user failed with %d", WEXITSTATUS(status));
	}
	self->uffd = recv_fd(pair[0]);
	ASSERT_LE(0, self->uffd);
	close(pair[0]);
}

FIXTURE_TEARDOWN(nuisance)
{
	kill(self->user, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(self->user, RETURNS_MS));
	close(self->uffd);
	close(self->call.fd);
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(nuisance, returns, 200)
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
