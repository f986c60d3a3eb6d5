// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The table of ranges. Where read and write access differ, read access comes first.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ranges.h"

#define BOTH(status) { PEER_MEM_##status, PEER_MEM_##status }
#define READ_ONLY { PEER_MEM_OK, PEER_MEM_NOT_PERMITTED }

const struct range ranges[] = {
	{ "host", &vt_mem_host, .kinds = PEER_MEM_HAS_SYSTEM,
	  .exporter = "", .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "host, unaligned", &vt_mem_host, .skip = 100,
	  .kinds = PEER_MEM_HAS_SYSTEM,
	  .exporter = "", .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "host, read-only", &vt_mem_host, VT_MEM_READ_ONLY,
	  .kinds = PEER_MEM_HAS_SYSTEM,
	  .exporter = "", .pinned = READ_ONLY, .on_demand = READ_ONLY },
	{ "host and a hole", &vt_mem_host, .half = RANGE_HOLE,
	  .kinds = PEER_MEM_HAS_SYSTEM | PEER_MEM_HAS_HOLE, .exporter = "",
	  .pinned = BOTH(NOT_MAPPED), .on_demand = BOTH(NOT_MAPPED) },
	{ "host and PROT_NONE", &vt_mem_host, .half = RANGE_RESERVED,
	  .kinds = PEER_MEM_HAS_SYSTEM | PEER_MEM_HAS_HOLE, .exporter = "",
	  .pinned = BOTH(NOT_MAPPED), .on_demand = BOTH(NOT_MAPPED) },
	{ "hole", .kinds = PEER_MEM_HAS_HOLE, .exporter = "",
	  .pinned = BOTH(NOT_MAPPED), .on_demand = BOTH(NOT_MAPPED) },
	{ "vram", &vt_mem_vram, .kinds = PEER_MEM_HAS_DEVICE,
	  .exporter = "peer_vram", .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "vram, unaligned", &vt_mem_vram, .skip = MAX_PAGE_SIZE + 9,
	  .kinds = PEER_MEM_HAS_DEVICE,
	  .exporter = "peer_vram", .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "vram, in system memory", &vt_mem_vram_system,
	  .kinds = PEER_MEM_HAS_DEVICE,
	  .exporter = "peer_vram", .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "vram, read-only", &vt_mem_vram, VT_MEM_READ_ONLY,
	  .kinds = PEER_MEM_HAS_DEVICE, .exporter = "peer_vram",
	  .pinned = READ_ONLY, .on_demand = READ_ONLY },
	{ "vram, not exportable", &vt_mem_vram_named, VT_MEM_NO_EXPORT,
	  .kinds = PEER_MEM_HAS_DEVICE, .exporter = "peer_vram",
	  .pinned = BOTH(DENIED), .on_demand = BOTH(DENIED) },
	{ "vram and a hole", &vt_mem_vram, .half = RANGE_HOLE,
	  .kinds = PEER_MEM_HAS_DEVICE | PEER_MEM_HAS_HOLE,
	  .exporter = "peer_vram",
	  .pinned = BOTH(NOT_MAPPED), .on_demand = BOTH(NOT_MAPPED) },
	{ "vram and host", &vt_mem_vram, .half = RANGE_HOST,
	  .kinds = PEER_MEM_HAS_DEVICE | PEER_MEM_HAS_SYSTEM,
	  .exporter = "peer_vram",
	  .pinned = BOTH(MIXED), .on_demand = BOTH(OK) },
	{ "vram and more vram", &vt_mem_vram, .half = RANGE_OTHER,
	  .kinds = PEER_MEM_HAS_DEVICE, .exporter = "peer_vram",
	  .pinned = BOTH(MIXED), .on_demand = BOTH(OK) },
	{ "peerdirect", &vt_mem_peerdirect, .kinds = PEER_MEM_HAS_DEVICE,
	  .exporter = "peerdirect_test",
	  .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "peerdirect, unaligned", &vt_mem_peerdirect, .skip = 1,
	  .kinds = PEER_MEM_HAS_DEVICE, .exporter = "peerdirect_test",
	  .pinned = BOTH(OK), .on_demand = BOTH(OK) },
	{ "peerdirect and host", &vt_mem_peerdirect, .half = RANGE_HOST,
	  .kinds = PEER_MEM_HAS_DEVICE | PEER_MEM_HAS_SYSTEM,
	  .exporter = "peerdirect_test",
	  .pinned = BOTH(MIXED), .on_demand = BOTH(OK) },
	{ "driver without exporter", &vt_mem_udmabuf,
	  .kinds = PEER_MEM_HAS_DEVICE, .exporter = "",
	  .pinned = BOTH(NO_EXPORTER), .on_demand = BOTH(NO_EXPORTER) },
};

const unsigned int ranges_count = sizeof(ranges) / sizeof(ranges[0]);

int ranges_prepare(void)
{
	int ret = vt_mem_prepare(&vt_mem_udmabuf);

	return ret ? ret : vt_mem_prepare(&vt_mem_peerdirect);
}

/* Replaces the second half by another buffer. */
static int range_map_other(struct range_at *at, uint8_t *second)
{
	int ret = vt_mem_alloc(&at->other, at->mem.kind, RANGE_HALF, 0);

	if (ret)
		return ret;
	if (mremap(at->other.addr, RANGE_HALF, RANGE_HALF,
		   MREMAP_MAYMOVE | MREMAP_FIXED, second) == MAP_FAILED)
		return -errno;
	at->other.addr = second;
	return 0;
}

static int range_replace_half(struct range_at *at, enum range_half half)
{
	int prot = half == RANGE_RESERVED ? PROT_NONE : PROT_READ | PROT_WRITE;
	uint8_t *second = at->mem.addr + RANGE_HALF;
	void *addr;

	switch (half) {
	case RANGE_SAME:
		return 0;
	case RANGE_HOLE:
		return munmap(second, RANGE_HALF) ? -errno : 0;
	case RANGE_OTHER:
		return range_map_other(at, second);
	default:
		addr = mmap(second, RANGE_HALF, prot,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		return addr == MAP_FAILED ? -errno : 0;
	}
}

int range_open(struct range_at *at, const struct range *range)
{
	const struct vt_mem_kind *kind = range->kind ?: &vt_mem_host;
	int ret;

	memset(at, 0, sizeof(*at));
	ret = vt_mem_alloc(&at->mem, kind, RANGE_SIZE, range->flags);
	if (ret)
		return ret;
	at->addr = at->mem.addr + range->skip;
	at->length = RANGE_SIZE - range->skip;
	if (!range->kind)
		ret = munmap(at->mem.addr, RANGE_SIZE) ? -errno : 0;
	else
		ret = range_replace_half(at, range->half);
	if (ret)
		range_close(at);
	return ret;
}

void range_close(struct range_at *at)
{
	vt_mem_free(&at->mem);
	if (at->other.kind)
		vt_mem_free(&at->other);
}
