// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of a DMA importer when the process is killed, the device is unbound, or the
 * module is unloaded.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../page_size.h"
#include "engine.h"
#include "lib/driver.h"
#include "lib/proc.h"
#include "lib/test_dmabuf.h"
#include "lib/uffd.h"

#define PAGE page_size()
#define SIZE (2 * PAGE)
/* Time limit; the device finishes the access in progress. */
#define TIMEOUT_MS 60000

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

/* Peer memory: the core creates the dma-buf. */
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
	ASSERT_EQ(0, en_set_bridges("all"));
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

/* Return: the number of attachments of the dma-buf, 0 without one, or -errno. */
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
 * Registers an MR, of the same memory if it is a dma-buf, and accesses it until an
 * access fails. Writes a byte to @ready after each access. Exits with the errno.
 */
static void run_user(struct en_buf *b, int ready)
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
		if (write(ready, &byte, 1) < 0)
			_exit(2);
	} while (!ret);
	_exit(-ret);
}

static pid_t start_user(struct en_buf *b)
{
	int ready[2];
	pid_t child;
	char byte;

	if (pipe(ready))
		return -1;
	child = fork();
	if (!child)
		run_user(b, ready[1]);
	close(ready[1]);
	/* Do not close the other end: the child continues to write. */
	return read(ready[0], &byte, 1) == 1 ? child : -1;
}

TEST_F_TIMEOUT(life, killed, 120)
{
	int64_t deadline;
	pid_t child;

	child = start_user(&self->b);
	ASSERT_LT(0, child);
	ASSERT_EQ(2, count_mrs(self));
	kill(child, SIGKILL);
	ASSERT_EQ(128 + SIGKILL, vt_wait_child(child, TIMEOUT_MS));
	/* The kernel may close the files after the process has exited. */
	deadline = vt_now_ms() + TIMEOUT_MS;
	while (count_mrs(self) != 1 && vt_now_ms() < deadline)
		usleep(10000);
	EXPECT_EQ(1, count_mrs(self));
	EXPECT_EQ(self->b.buf.mem.dmabuf >= 0, count_attached(self));
	EXPECT_EQ(0, en_buf_write(&self->b, 100, 10, 2));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* ---- removal of the device ---- */

static int find_driver(struct vt_driver *driver)
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
	struct vt_driver driver;
	struct en_buf *b = &self->b;
	struct en_buf new_buf;
	struct im_mr mr;

	ASSERT_EQ(0, find_driver(&driver));
	ASSERT_EQ(0, vt_driver_write(&driver, "unbind"));
	/* Everything is released although the context is still open. */
	EXPECT_EQ(0, count_attached(self));
	EXPECT_EQ(-ENODEV, en_buf_write(b, 0, 1, 2));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	EXPECT_EQ(-EIO, im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0, 0));
	if (variant->kind->move)
		EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	b->mr.dev = NULL;

	ASSERT_EQ(0, vt_driver_write(&driver, "bind"));
	ASSERT_EQ(0, en_buf_open(&new_buf, variant->device, IM_WRITE,
				 variant->kind, SIZE));
	EXPECT_EQ(1, count_mrs(self));
	EXPECT_EQ(0, en_buf_write(&new_buf, 100, 10, 2));
	EXPECT_EQ(0, vt_buf_check_all(&new_buf.buf));
	EXPECT_EQ(0, en_buf_close(&new_buf));
	EXPECT_EQ(0, count_mrs(self));
}

TEST_F_TIMEOUT(life, unbound_under_traffic, 120)
{
	struct vt_driver driver;
	pid_t child;

	ASSERT_EQ(0, find_driver(&driver));
	child = start_user(&self->b);
	ASSERT_LT(0, child);
	ASSERT_EQ(0, vt_driver_write(&driver, "unbind"));
	EXPECT_EQ(ENODEV, vt_wait_child(child, TIMEOUT_MS));
	EXPECT_EQ(0, count_attached(self));
	self->b.mr.dev = NULL;
	ASSERT_EQ(0, vt_driver_write(&driver, "bind"));
	EXPECT_EQ(0, count_mrs(self));
}

/*
 * A registration waits for a page. The removal of its own device waits for it; that
 * of the other devices does not.
 */
FIXTURE(waiting_registration)
{
	struct vt_driver driver;
	struct im_dev dev;
	struct vt_mem mem;
	struct vt_uffd uffd;
	pthread_t reg_thread, unbind_thread;
	atomic_bool registered;
};

typedef FIXTURE_DATA(waiting_registration) waiting_t;

static void *register_blocked(void *arg)
{
	waiting_t *self = arg;
	struct im_mr mr;

	im_reg_mr(&self->dev, &mr, self->mem.addr, self->mem.length, 0,
		  IM_ACCESS_ALL);
	atomic_store(&self->registered, true);
	return NULL;
}

static void *unbind_driver(void *arg)
{
	waiting_t *self = arg;

	vt_driver_write(&self->driver, "unbind");
	return NULL;
}

FIXTURE_SETUP(waiting_registration)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, find_driver(&self->driver));
	ASSERT_EQ(0, im_open(&self->dev, "edu0", IM_WRITE));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_host, SIZE, 0));
	ASSERT_EQ(0, vt_uffd_begin(&self->uffd, self->mem.addr, SIZE));
	ASSERT_EQ(0, pthread_create(&self->reg_thread, NULL, register_blocked,
				    self));
	ASSERT_EQ(0, vt_uffd_wait(&self->uffd, NULL));
}

FIXTURE_TEARDOWN(waiting_registration)
{
	im_close(&self->dev);
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_driver_write(&self->driver, "bind"));
}

static bool device_exists(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s", name);
	return !access(path, F_OK);
}

TEST_F_TIMEOUT(waiting_registration, other_devices_are_removed, 120)
{
	int64_t deadline = vt_now_ms() + TIMEOUT_MS;

	ASSERT_EQ(0, pthread_create(&self->unbind_thread, NULL, unbind_driver,
				    self));
	while ((device_exists("edu1") || device_exists("edu2")) &&
	       vt_now_ms() < deadline)
		usleep(10000);
	EXPECT_FALSE(device_exists("edu1"));
	EXPECT_FALSE(device_exists("edu2"));
	EXPECT_FALSE(atomic_load(&self->registered));
	vt_uffd_end(&self->uffd);
	pthread_join(self->reg_thread, NULL);
	pthread_join(self->unbind_thread, NULL);
}

/* ---- unloading of the module ---- */

/* An open engine file holds the module; an open RDMA device does not. */
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
