// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of the DMA engine whose process dies, whose device goes, and whose module is
 * to be unloaded.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "engine.h"
#include "lib/driven.h"
#include "lib/late.h"
#include "lib/proc.h"
#include "lib/test_dmabuf.h"

#define PAGE 4096
#define SIZE (2 * PAGE)
/* It has to end what is under way. */
#define SOON_MS 60000

FIXTURE(life)
{
	struct en_buf b;
};

FIXTURE_VARIANT(life)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
};

FIXTURE_VARIANT_ADD(life, dynamic_host) {
	.kind = &vt_mem_host, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(life, dynamic_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(life, pinned_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_PINNED,
};
FIXTURE_VARIANT_ADD(life, revocable_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_REVOCABLE,
};

/* These by way of the core's dma-buf. */
FIXTURE_VARIANT_ADD(life, dynamic_vram) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(life, revocable_vram) {
	.kind = &vt_mem_vram, .device = EDU_RDMA_REVOCABLE,
};
FIXTURE_VARIANT_ADD(life, dynamic_cmb) {
	.kind = &vt_mem_cmb, .device = EDU_RDMA_DYNAMIC,
};

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
}

typedef FIXTURE_DATA(life) life_t;

static unsigned int count_mrs(life_t *self)
{
	struct edu_rdma_stats stats = { 0 };

	return en_stats(self->b.engine, self->b.device, &stats) ? ~0U :
		stats.mrs;
}

/* Who has the dma-buf now; of other memory nobody knows. */
static int count_attached(life_t *self)
{
	struct vt_mem *mem = &self->b.buf.mem;
	struct peer_test_dmabuf_stats stats;
	int ret;

	if (mem->dmabuf < 0)
		return 0;
	ret = vt_test_dmabuf_stats(mem, &stats);
	if (ret)
		return ret;
	return stats.wrong ? -EILSEQ : (int)stats.attached;
}

/*
 * Another process with an MR of its own, over that memory if it is a dma-buf. It
 * tells through the pipe that its first access is done, and goes on until an access
 * fails.
 */
static void be_user(struct en_buf *b, int done)
{
	uint8_t byte = b->buf.shadow[0];
	struct vt_mem mem = b->buf.mem;
	struct im_dev dev;
	struct im_mr mr;
	char name[8];
	int ret;

	if (mem.dmabuf < 0 && vt_mem_alloc(&mem, mem.kind, SIZE, 0))
		_exit(1);
	snprintf(name, sizeof(name), "edu%d", b->device);
	if (im_open(&dev, name, IM_WRITE) ||
	    im_reg_mem(&dev, &mr, &mem, 0, SIZE, 0, IM_ACCESS_ALL))
		_exit(1);
	do {
		ret = en_access(b->engine, b->device, mr.rkey, 0, &byte, 1,
				EDU_RDMA_WRITE);
		if (write(done, &byte, 1) < 0)
			_exit(2);
	} while (!ret);
	_exit(-ret);
}

static pid_t start_user(struct en_buf *b)
{
	int done[2];
	pid_t child;
	char byte;

	if (pipe(done))
		return -1;
	child = fork();
	if (!child)
		be_user(b, done[1]);
	close(done[1]);
	/* It stays open: the child goes on writing. */
	return read(done[0], &byte, 1) == 1 ? child : -1;
}

TEST_F_TIMEOUT(life, killed, 120)
{
	int64_t until;
	pid_t child;

	child = start_user(&self->b);
	ASSERT_LT(0, child);
	ASSERT_EQ(2, count_mrs(self));
	kill(child, SIGKILL);
	ASSERT_EQ(128 + SIGKILL, vt_wait_child(child, SOON_MS));
	/* Its files may be closed after it is gone. */
	until = vt_now_ms() + SOON_MS;
	while (count_mrs(self) != 1 && vt_now_ms() < until)
		usleep(10000);
	EXPECT_EQ(1, count_mrs(self));
	EXPECT_EQ(self->b.buf.mem.dmabuf >= 0, count_attached(self));
	EXPECT_EQ(0, en_put(&self->b, 100, 10, 2));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* ---- the device goes ---- */

static int find_driver(struct vt_driven *driver)
{
	char path[PATH_MAX];

	if (!realpath("/sys/class/infiniband/edu0/device", path))
		return -errno;
	snprintf(driver->name, sizeof(driver->name), "%s",
		 strrchr(path, '/') + 1);
	strcpy(driver->driver, "/sys/bus/pci/drivers/edu_rdma");
	return 0;
}

TEST_F_TIMEOUT(life, unbound, 120)
{
	struct vt_driven driver;
	struct en_buf *b = &self->b;
	struct en_buf again;
	struct im_mr mr;

	ASSERT_EQ(0, find_driver(&driver));
	ASSERT_EQ(0, vt_driven_tell(&driver, "unbind"));
	/* Not even the file is closed, and all is given back. */
	EXPECT_EQ(0, count_attached(self));
	EXPECT_EQ(-ENODEV, en_put(b, 0, 1, 2));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	EXPECT_EQ(-EIO, im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0, 0));
	if (variant->kind->move)
		EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	b->mr.dev = NULL;

	ASSERT_EQ(0, vt_driven_tell(&driver, "bind"));
	ASSERT_EQ(0, en_buf_open(&again, variant->device, IM_WRITE,
				 variant->kind, SIZE));
	EXPECT_EQ(1, count_mrs(self));
	EXPECT_EQ(0, en_put(&again, 100, 10, 2));
	EXPECT_EQ(0, vt_buf_check_all(&again.buf));
	EXPECT_EQ(0, en_buf_close(&again));
	EXPECT_EQ(0, count_mrs(self));
}

TEST_F_TIMEOUT(life, unbound_under_traffic, 120)
{
	struct vt_driven driver;
	pid_t child;

	ASSERT_EQ(0, find_driver(&driver));
	child = start_user(&self->b);
	ASSERT_LT(0, child);
	ASSERT_EQ(0, vt_driven_tell(&driver, "unbind"));
	EXPECT_EQ(ENODEV, vt_wait_child(child, SOON_MS));
	EXPECT_EQ(0, count_attached(self));
	self->b.mr.dev = NULL;
	ASSERT_EQ(0, vt_driven_tell(&driver, "bind"));
	EXPECT_EQ(0, count_mrs(self));
}

/*
 * A registration that waits for a page is waited for by its own device, which is the
 * last to go, and by no other.
 */
FIXTURE(hanging)
{
	struct vt_driven driver;
	struct im_dev dev;
	struct vt_mem mem;
	struct vt_late late;
	pthread_t registering, unbinding;
	atomic_bool registered;
};

typedef FIXTURE_DATA(hanging) hanging_t;

static void *register_late(void *arg)
{
	hanging_t *self = arg;
	struct im_mr mr;

	im_reg_mr(&self->dev, &mr, self->mem.addr, self->mem.length, 0,
		  IM_ACCESS_ALL);
	atomic_store(&self->registered, true);
	return NULL;
}

static void *unbind(void *arg)
{
	hanging_t *self = arg;

	vt_driven_tell(&self->driver, "unbind");
	return NULL;
}

FIXTURE_SETUP(hanging)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, find_driver(&self->driver));
	ASSERT_EQ(0, im_open(&self->dev, "edu0", IM_WRITE));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_host, SIZE, 0));
	ASSERT_EQ(0, vt_late_begin(&self->late, self->mem.addr, SIZE));
	ASSERT_EQ(0, pthread_create(&self->registering, NULL, register_late,
				    self));
	ASSERT_EQ(0, vt_late_wait(&self->late, NULL));
}

FIXTURE_TEARDOWN(hanging)
{
	im_close(&self->dev);
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_driven_tell(&self->driver, "bind"));
}

static bool is_there(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s", name);
	return !access(path, F_OK);
}

TEST_F_TIMEOUT(hanging, other_devices_go, 120)
{
	int64_t until = vt_now_ms() + SOON_MS;

	ASSERT_EQ(0, pthread_create(&self->unbinding, NULL, unbind, self));
	while ((is_there("edu1") || is_there("edu2")) && vt_now_ms() < until)
		usleep(10000);
	EXPECT_FALSE(is_there("edu1"));
	EXPECT_FALSE(is_there("edu2"));
	EXPECT_FALSE(atomic_load(&self->registered));
	vt_late_end(&self->late);
	pthread_join(self->registering, NULL);
	pthread_join(self->unbinding, NULL);
}

/* ---- the module ---- */

/* Only the node holds it; who has a device open loses that. */
TEST_F_TIMEOUT(life, unloaded, 120)
{
	struct en_buf *b = &self->b;

	EXPECT_NE(0, vt_rmmod("edu_rdma"));
	close(b->engine);
	EXPECT_EQ(0, vt_rmmod("edu_rdma"));
	EXPECT_EQ(0, count_attached(self));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	b->mr.dev = NULL;
	if (variant->kind->move)
		EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));

	ASSERT_EQ(0, en_load());
	b->engine = en_open();
	ASSERT_LE(0, b->engine);
	EXPECT_EQ(0, count_mrs(self));
}

TEST_HARNESS_MAIN
