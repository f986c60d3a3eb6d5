// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter of docs/clients.md (examples/exporter): its memory is written over
 * the network, moves, and is read; pinned it stays.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "lib/copy.h"
#include "lib/link.h"
#include "lib/mem_kind.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define SIZE (1024 * 1024)
#define NODE "/dev/peer_example"

static int example_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	mem->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	return vt_mem_map(mem, mem->fd, 0, length, flags);
}

/* It has no other way to its bytes than the mapping. */
static int example_read(struct vt_mem *mem, uint64_t offset, void *dst,
			size_t length)
{
	memcpy(dst, mem->addr + offset, length);
	return 0;
}

static const struct vt_mem_kind vt_mem_example = {
	.name = "example",
	.client = "peer_example",
	.alloc = example_alloc,
	.free = vt_mem_release,
	.read = example_read,
};

FIXTURE(exporter)
{
	VT_LINK;
};

VT_VARIANTS(exporter);
VT_PINNED(exporter, example);
VT_ON_DEMAND(exporter, example);

FIXTURE_SETUP(exporter)
{
	char path[4096];
	const char *const load[] = { "insmod", path, NULL };

	snprintf(path, sizeof(path), "%s", getenv("PEERMEM_EXAMPLE"));
	if (!vt_module_is_loaded("peer_example"))
		ASSERT_EQ(0, vt_run(20000, load));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  variant->on_demand ?
				  VT_ACCESS_ALL | variant->on_demand : 0,
				  NULL));
}

FIXTURE_TEARDOWN(exporter)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_rmmod("peer_example"));
}

TEST_F(exporter, moves_under_an_mr)
{
	int round, moved;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there,
					      round * 4099, &self->here,
					      round * 77, 500000));
		moved = write(self->there.mem.fd, "move", 4);
		if (variant->on_demand) {
			EXPECT_EQ(4, moved);
		} else {
			EXPECT_EQ(-1, moved);
			EXPECT_EQ(EBUSY, errno);
		}
		ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0,
					     &self->there, 3, 300000));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
	}
}

TEST_F(exporter, ends_with_the_mapping)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 100);

	ASSERT_EQ(0, munmap(self->there.mem.addr, SIZE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1,
				vt_remote(&self->there, 0)));
}

TEST_HARNESS_MAIN
