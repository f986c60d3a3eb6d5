/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Fixture "data": two buffers, and transfers between them. After a transfer both
 * buffers are compared with the result of memcpy(), including the bytes around the
 * target, through the mapping and through the exporter.
 *
 * The name of a variant is the kind of the requester's memory, "_", and the kind of
 * the responder's memory. With the prefix "on_demand_" both MRs are on-demand MRs.
 */
#ifndef VT_DATA_H
#define VT_DATA_H

#include <kselftest_harness.h>

#include <limits.h>

#include "lib/buf.h"
#include "lib/copy.h"
#include "lib/counters.h"

#define SIZE (256 * 1024)

FIXTURE(data)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_buf remote;
};

FIXTURE_VARIANT(data)
{
	const struct vt_mem_kind *local;
	const struct vt_mem_kind *remote;
	int on_demand;	/* the access flag, or 0 */
};

#define DATA_VARIANT(here, there)					\
	FIXTURE_VARIANT_ADD(data, here##_##there)			\
	{								\
		.local = &vt_mem_##here,				\
		.remote = &vt_mem_##there,				\
	}

#define ON_DEMAND_VARIANT(here, there)					\
	FIXTURE_VARIANT_ADD(data, on_demand_##here##_##there)		\
	{								\
		.local = &vt_mem_##here,				\
		.remote = &vt_mem_##there,				\
		.on_demand = IBV_ACCESS_ON_DEMAND,			\
	}

DATA_VARIANT(host, host);
DATA_VARIANT(host, vram);
DATA_VARIANT(vram, host);
DATA_VARIANT(vram, vram);
DATA_VARIANT(vram_named, vram_system);
DATA_VARIANT(host, cmb);
DATA_VARIANT(peerdirect, vram);
DATA_VARIANT(host, peerdirect);
ON_DEMAND_VARIANT(host, vram);
ON_DEMAND_VARIANT(vram_system, host);
ON_DEMAND_VARIANT(cmb, cmb);

FIXTURE_SETUP(data)
{
	struct vt_buf_opts opts = { .access = VT_ACCESS_ALL | variant->on_demand };

	ASSERT_EQ(0, vt_mem_prepare(variant->local));
	ASSERT_EQ(0, vt_mem_prepare(variant->remote));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, variant->local,
				 SIZE, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &opts));
	vt_buf_fill(&self->local, 1);
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->remote, 2));
}

FIXTURE_TEARDOWN(data)
{
	EXPECT_EQ(0, vt_buf_close(&self->local));
	EXPECT_EQ(0, vt_buf_close(&self->remote));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->local));
	EXPECT_EQ(0, vt_counters_balanced(variant->remote));
}

typedef FIXTURE_DATA(data) data_t;

static inline void expect_copy(struct vt_buf *to, uint64_t to_offset,
			       const struct vt_buf *from, uint64_t from_offset,
			       size_t length)
{
	memcpy(to->shadow + to_offset, from->shadow + from_offset, length);
}

/* A transfer between the buffers. Return: as vt_post_and_wait(). */
typedef int (*transfer_fn)(data_t *self, uint64_t here, uint64_t there,
			   uint32_t length);

static inline int do_write(data_t *self, uint64_t here, uint64_t there,
			   uint32_t length)
{
	return vt_copy_by_write(&self->pair, &self->remote, there, &self->local,
				here, length);
}

static inline int do_read(data_t *self, uint64_t here, uint64_t there,
			  uint32_t length)
{
	return vt_copy_by_read(&self->pair, &self->local, here, &self->remote,
			       there, length);
}

static inline int do_send(data_t *self, uint64_t here, uint64_t there,
			  uint32_t length)
{
	return vt_copy_by_send(&self->pair, &self->remote, there, &self->local,
			       here, length);
}

static const uint32_t offsets[] = { 0, 1, 7, 64, 4093, 4096, 12287, 65535 };
static const uint32_t lengths[] = {
	0, 1, 3, 8, 9, 64, 1023, 1024, 1025, 2049, 4095, 4096, 4097, 12293,
	65541,
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* Every length at every local offset; the remote offset cycles through the table. */
static inline void run_table(struct __test_metadata *_metadata, data_t *self,
			     transfer_fn transfer, uint32_t max_length)
{
	size_t i, j;

	for (i = 0; i < COUNT(lengths) && lengths[i] <= max_length; i++) {
		for (j = 0; j < COUNT(offsets); j++) {
			uint32_t here = offsets[j];
			uint32_t there = offsets[(i + 3 * j) % COUNT(offsets)];

			ASSERT_EQ(0, transfer(self, here, there, lengths[i])) {
				TH_LOG("length %u from %u to %u", lengths[i],
				       here, there);
			}
			ASSERT_EQ(0, vt_buf_check(&self->local, here,
						  lengths[i]));
			ASSERT_EQ(0, vt_buf_check(&self->remote, there,
						  lengths[i]));
		}
	}
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

static inline void open_pair(struct __test_metadata *_metadata, data_t *self,
			     struct vt_pair_opts opts)
{
	vt_pair_close(&self->pair);
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
}

#endif
