// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DMA devices attach to dma-bufs of exporters and of exported ranges, as their drivers
 * attach to those of any driver: by ibv_reg_dmabuf_mr(), without the core's hook.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../page_size.h"
#include "applies.h"
#include "engine.h"
#include "lib/counters.h"
#include "lib/driver.h"
#include "lib/proc.h"

#define PAGE page_size()
#define SIZE (6 * PAGE)

FIXTURE(attached)
{
	struct en_buf b;
};

FIXTURE_VARIANT(attached)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	bool no_route;	/* the host bridge is not listed */
};

FIXTURE_VARIANT_ADD(attached, dynamic_vram) {
	.kind = &vt_mem_vram_dmabuf, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(attached, dynamic_vram_no_route) {
	.kind = &vt_mem_vram_dmabuf, .device = EDU_RDMA_DYNAMIC, .no_route = true,
};
FIXTURE_VARIANT_ADD(attached, revocable_vram) {
	.kind = &vt_mem_vram_dmabuf, .device = EDU_RDMA_REVOCABLE,
};
FIXTURE_VARIANT_ADD(attached, dynamic_vram_range) {
	.kind = &vt_mem_vram_range, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(attached, revocable_vram_range) {
	.kind = &vt_mem_vram_range, .device = EDU_RDMA_REVOCABLE,
};
FIXTURE_VARIANT_ADD(attached, dynamic_cmb_range) {
	.kind = &vt_mem_cmb_range, .device = EDU_RDMA_DYNAMIC,
};

typedef FIXTURE_DATA(attached) attached_t;

FIXTURE_SETUP(attached)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges(variant->no_route ? "0:0" : "all"));
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_IOCTL,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(attached)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static bool is_range(const struct vt_mem_kind *kind)
{
	return kind != &vt_mem_vram_dmabuf;
}

static bool moves(const struct vt_mem_kind *kind)
{
	return kind != &vt_mem_cmb_range;
}

/* Writes and reads across a page boundary. */
static void check_access(struct __test_metadata *_metadata, attached_t *self,
			 uint64_t seed)
{
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, seed));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

static void expect_revoked(struct __test_metadata *_metadata, attached_t *self)
{
	char byte;

	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
}

/* Waits until the MR is revoked: the end of a mapping reaches it asynchronously. */
static bool is_revoked_soon(attached_t *self)
{
	int64_t until = vt_now_ms() + 30000;
	char byte;

	while (!en_access(self->b.engine, self->b.device, self->b.mr.rkey,
			  self->b.buf.iova, &byte, 1, 0))
		if (vt_now_ms() > until)
			return false;
	return true;
}

TEST_F_TIMEOUT(attached, write_and_read, 120)
{
	check_access(_metadata, self, 2);
	EXPECT_EQ(0, en_buf_write(&self->b, SIZE - 5, 5, 3));
	EXPECT_EQ(0, en_buf_read(&self->b, SIZE - 5, 5));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* Registers a part from an unaligned offset, with an iova of the caller. */
TEST_F_TIMEOUT(attached, part, 60)
{
	uint64_t offset = PAGE + 4000, iova = 0x7000000000000000 + 4000;
	struct en_buf *b = &self->b;
	struct im_mr whole = b->mr;

	ASSERT_EQ(0, im_reg_mem(&b->dev, &b->mr, &b->buf.mem, offset, 2 * PAGE,
				iova, IM_ACCESS_ALL));
	b->buf.iova = iova - offset;
	EXPECT_EQ(0, en_buf_write(b, offset, 200, 4));
	EXPECT_EQ(-ERANGE, en_buf_write(b, offset + 2 * PAGE - 1, 2, 5));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	b->mr = whole;
}

/* A dynamic importer faults again after a move. A pinned BO does not move. */
TEST_F_TIMEOUT(attached, moves, 120)
{
	struct vt_mem *mem = &self->b.buf.mem;

	if (!moves(variant->kind))
		DOES_NOT_APPLY(return, "this memory does not move");
	check_access(_metadata, self, 2);
	if (variant->device == EDU_RDMA_DYNAMIC) {
		EXPECT_EQ(0, vt_mem_move(mem, false));
		check_access(_metadata, self, 3);
		EXPECT_EQ(0, vt_mem_move(mem, true));
	} else {
		EXPECT_NE(0, vt_mem_move(mem, false));
	}
	check_access(_metadata, self, 4);
}

/* A second attachment of the same dma-buf. Both follow moves; one ends first. */
TEST_F_TIMEOUT(attached, two_attachments, 120)
{
	struct en_buf *b = &self->b;
	struct im_mr first = b->mr, second;

	ASSERT_EQ(0, im_reg_mem(&b->dev, &second, &b->buf.mem, 0, SIZE,
				b->buf.iova, IM_ACCESS_ALL));
	check_access(_metadata, self, 2);
	b->mr = second;
	check_access(_metadata, self, 3);
	if (moves(variant->kind) && variant->device == EDU_RDMA_DYNAMIC) {
		EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
		check_access(_metadata, self, 4);
		b->mr = first;
		check_access(_metadata, self, 5);
		b->mr = second;
	}
	EXPECT_EQ(0, im_dereg_mr(&b->mr));
	b->mr = first;
	check_access(_metadata, self, 6);
}

/* The CPU importer and the DMA device use the same dma-buf. */
TEST_F_TIMEOUT(attached, beside_a_cpu_importer, 120)
{
	struct vt_mem *mem = &self->b.buf.mem;
	struct vt_dev rxe;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_dev_open(&rxe));
	mr = vt_reg_mem(rxe.pd, mem, 0, SIZE, 0x10000, VT_ACCESS_DMABUF);
	ASSERT_NE(NULL, mr);
	check_access(_metadata, self, 2);
	if (moves(variant->kind) && variant->device == EDU_RDMA_DYNAMIC)
		EXPECT_EQ(0, vt_mem_move(mem, false));
	check_access(_metadata, self, 3);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	check_access(_metadata, self, 4);
	vt_dev_close(&rxe);
}

/* Another MR can be registered as long as there is something to register. */
TEST_F_TIMEOUT(attached, destroyed, 60)
{
	struct en_buf *b = &self->b;
	struct im_mr mr;

	check_access(_metadata, self, 2);
	ASSERT_EQ(0, vt_mem_destroy(&b->buf.mem));
	expect_revoked(_metadata, self);
	EXPECT_NE(0, im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0,
				IM_ACCESS_ALL));
}

/* A range ends with its mapping. The dma-buf of a BO does not need one. */
TEST_F_TIMEOUT(attached, unmapped, 120)
{
	struct en_buf *b = &self->b;
	struct im_mr mr;
	int ret;

	check_access(_metadata, self, 2);
	ASSERT_EQ(0, munmap(b->buf.mem.addr, PAGE));
	if (is_range(variant->kind)) {
		EXPECT_TRUE(is_revoked_soon(self));
	} else {
		EXPECT_EQ(0, en_buf_read(b, PAGE - 90, 250));
	}
	ret = im_reg_mem(&b->dev, &mr, &b->buf.mem, 0, SIZE, 0, IM_ACCESS_ALL);
	EXPECT_EQ(is_range(variant->kind) ? -ENODEV : 0, ret);
	if (!ret)
		EXPECT_EQ(0, im_dereg_mr(&mr));
}

/* Unbinding the exporter's device does not wait for the deregistration. */
TEST_F_TIMEOUT(attached, device_unbound, 120)
{
	struct vt_driver device;

	check_access(_metadata, self, 2);
	ASSERT_EQ(0, vt_driver_find(&device, vt_mem_base(variant->kind)->node));
	ASSERT_EQ(0, vt_driver_write(&device, "unbind"));
	expect_revoked(_metadata, self);
	EXPECT_EQ(0, vt_driver_write(&device, "bind"));
}

TEST_F(attached, pinned_is_charged)
{
	bool pins = variant->device == EDU_RDMA_REVOCABLE;

	EXPECT_EQ(pins ? SIZE / 1024 : 0, vt_status_kib("VmPin"));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, vt_status_kib("VmPin"));
}

/* ---- the exporter's process, and rejected attachments ---- */

static int export_from_child(const struct vt_mem_kind *kind, int sock)
{
	struct vt_mem mem;
	char byte;

	if (vt_mem_alloc(&mem, kind, SIZE, 0) || vt_send_fd(sock, mem.dmabuf))
		return 1;
	return read(sock, &byte, 1) != 0;
}

/* The range of a process that exits is revoked. */
TEST(exporting_process_exits)
{
	int sock[2], status, fd;
	struct im_dev dev;
	struct im_mr mr;
	pid_t pid;

	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_vram_range));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(sock[0]);
		_exit(export_from_child(&vt_mem_vram_range, sock[1]));
	}
	close(sock[1]);
	fd = vt_recv_fd(sock[0]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, im_open(&dev, "edu0", IM_IOCTL));
	ASSERT_EQ(0, im_reg_dmabuf_mr(&dev, &mr, 0, SIZE, 0, fd, IM_ACCESS_ALL, 0));
	close(sock[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, im_dereg_mr(&mr));
	EXPECT_EQ(-ENODEV, im_reg_dmabuf_mr(&dev, &mr, 0, SIZE, 0, fd,
					    IM_ACCESS_ALL, 0));
	close(fd);
	im_close(&dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* A driver that cannot stop, and a descriptor for reading. */
TEST(rejected_attachments)
{
	static const struct vt_mem_kind *const kinds[] = {
		&vt_mem_vram_dmabuf, &vt_mem_vram_range,
	};
	struct im_dev dev, stubborn;
	struct vt_mem mem;
	struct im_mr mr;
	size_t i;
	int fd;

	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, im_open(&dev, "edu0", IM_IOCTL));
	ASSERT_EQ(0, im_open(&stubborn, "edu1", IM_IOCTL));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_mem_prepare(kinds[i]));
		ASSERT_EQ(0, vt_mem_alloc(&mem, kinds[i], SIZE, 0));
		EXPECT_EQ(-EOPNOTSUPP, im_reg_mem(&stubborn, &mr, &mem, 0, SIZE,
						  0, IM_ACCESS_ALL));
		vt_mem_free(&mem);
	}
	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, SIZE, 0));
	fd = vt_export(mem.addr, SIZE, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, im_reg_dmabuf_mr(&dev, &mr, 0, SIZE, 0, fd,
					    IBV_ACCESS_REMOTE_READ, 0));
	close(fd);
	vt_mem_free(&mem);
	im_close(&stubborn);
	im_close(&dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_HARNESS_MAIN
