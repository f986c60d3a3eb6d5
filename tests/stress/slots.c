// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory of a worker, split into slots. There are four kinds: VRAM and
 * system memory, on demand and adjacent under one MR, and both pinned. An
 * implicit MR covers everything.
 *
 * The operation that has taken a slot is its only user and knows its content.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "lib/pattern.h"
#include "lib/proc.h"
#include "stress.h"

#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define ALIGN (2 * MIB)

static int create_bo(struct memory *m, int i, struct layout *layout)
{
	struct peer_vram_create create = {
		.size = sizeof(create),
		.length = BO_SIZE,
	};

	if (ioctl(m->vram, PEER_VRAM_IOC_CREATE, &create) ||
	    mmap(m->area + i * BO_SIZE, BO_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, m->vram,
		 create.mmap_offset) == MAP_FAILED)
		return -errno;
	atomic_store(&layout->handle[i], create.handle);
	return 0;
}

static int make_area(struct memory *m, struct layout *layout)
{
	uint8_t *room = mmap(NULL, VRAM_SIZE + HOST_SIZE + 2 * ALIGN,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, ret = 0;

	m->shadow = calloc(1, VRAM_SIZE + HOST_SIZE);
	if (room == MAP_FAILED || !m->shadow)
		return -ENOMEM;
	m->area = (uint8_t *)(((uintptr_t)room + ALIGN - 1) & ~(ALIGN - 1));
	for (i = 0; i < NUM_BOS && !ret; i++)
		ret = create_bo(m, i, layout);
	atomic_store(&layout->host, (uintptr_t)m->area + VRAM_SIZE);
	return ret;
}

static struct slot *add_slots(struct slot *slot, uint8_t *at, uint8_t *shadow,
			      size_t length, struct ibv_mr **mr)
{
	size_t offset;

	for (offset = 0; offset < length; offset += SLOT)
		*slot++ = (struct slot){
			.at = at + offset,
			.shadow = shadow + offset,
			.mr = mr,
		};
	return slot;
}

static void set_slots_bo(struct slot *slot, int fd, uint32_t handle)
{
	size_t i;

	for (i = 0; i < BO_SIZE / SLOT; i++) {
		slot[i].fd = fd;
		slot[i].handle = handle;
		slot[i].offset = i * SLOT;
	}
}

static void make_slots(struct memory *m, struct layout *layout)
{
	struct slot *slot = m->slot;
	int i;

	slot = add_slots(slot, m->area, m->shadow, VRAM_SIZE + HOST_SIZE,
			 &m->mr);
	for (i = 0; i < NUM_BOS; i++)
		set_slots_bo(m->slot + i * (BO_SIZE / SLOT), m->vram,
			     layout->handle[i]);
	slot = add_slots(slot, m->host.mem.addr, m->host.shadow, PINNED_HOST,
			 &m->host.mr);
	for (i = 0; i < PINNED_BOS; i++) {
		struct vt_buf *buf = &m->pinned[i];

		slot = add_slots(slot, buf->mem.addr, buf->shadow, BO_SIZE,
				 &buf->mr);
		set_slots_bo(slot - BO_SIZE / SLOT, buf->mem.fd,
			     buf->mem.handle);
	}
}

static struct ibv_mr *register_area(struct memory *m)
{
	return ibv_reg_mr(m->dev->pd, m->area, VRAM_SIZE + HOST_SIZE,
			  ON_DEMAND);
}

static struct ibv_mr *register_everything(struct memory *m)
{
	return ibv_reg_mr(m->dev->pd, NULL, SIZE_MAX, ON_DEMAND);
}

int memory_open(struct memory *m, struct vt_dev *dev, int vram,
		struct layout *layout, uint64_t seed)
{
	int ret, i;

	m->dev = dev;
	m->vram = vram;
	ret = make_area(m, layout);
	if (!ret)
		ret = vt_buf_open(&m->host, dev, &vt_mem_host, PINNED_HOST,
				  NULL);
	for (i = 0; i < PINNED_BOS && !ret; i++)
		ret = vt_buf_open(&m->pinned[i], dev, &vt_mem_vram, BO_SIZE,
				  NULL);
	if (ret)
		return ret;
	m->mr = register_area(m);
	m->everything = register_everything(m);
	if (!m->mr || !m->everything)
		return -errno;
	make_slots(m, layout);
	/*
	 * Memory and shadows are zero. Filling creates the pages, which then
	 * can move.
	 */
	for (i = 0; i < (int)SLOTS && !vt_slow_kernel(); i++)
		slot_fill(&m->slot[i], seed + i, 0, SLOT);
	return 0;
}

int memory_close(struct memory *m)
{
	int ret = 0, i;

	ret |= ibv_dereg_mr(m->everything);
	ret |= ibv_dereg_mr(m->mr);
	ret |= vt_buf_close(&m->host);
	for (i = 0; i < PINNED_BOS; i++)
		ret |= vt_buf_close(&m->pinned[i]);
	munmap(m->area, VRAM_SIZE + HOST_SIZE);
	free(m->shadow);
	return ret ? -EIO : 0;
}

int memory_register(struct memory *m, uint64_t random)
{
	struct vt_buf *buf = &m->pinned[random / 8 % PINNED_BOS];
	struct ibv_mr **mr;

	switch (random % 4) {
	case 0:
		mr = &m->everything;
		break;
	case 1:
		mr = &buf->mr;
		break;
	case 2:
		mr = &m->host.mr;
		break;
	default:
		mr = &m->mr;
	}
	if (ibv_dereg_mr(*mr))
		return -EIO;
	if (mr == &m->everything)
		*mr = register_everything(m);
	else if (mr == &m->mr)
		*mr = register_area(m);
	else
		*mr = ibv_reg_mr(m->dev->pd, mr == &buf->mr ? buf->mem.addr :
				 m->host.mem.addr,
				 mr == &buf->mr ? BO_SIZE : PINNED_HOST,
				 VT_ACCESS_ALL);
	return *mr ? 0 : -errno;
}

/* Half of the chosen slots are on-demand VRAM. */
struct slot *memory_take(struct memory *m, uint64_t random)
{
	size_t i = random & 1 ? random / 2 % SLOTS_VRAM :
		   random & 2 ? SLOTS - 1 - random / 4 %
				(SLOTS_PINNED + SLOTS_PINNED_VRAM) :
				SLOTS_VRAM + random / 4 % SLOTS_HOST;

	while (m->slot[i].taken)
		i = (i + 1) % SLOTS;
	m->slot[i].taken = true;
	return &m->slot[i];
}

void slot_fill(struct slot *slot, uint64_t seed, uint32_t offset,
	       uint32_t length)
{
	vt_pattern_fill(slot->shadow + offset, seed, offset, length);
	memcpy(slot->at + offset, slot->shadow + offset, length);
}

int slot_check(struct slot *slot, bool by_owner)
{
	uint8_t copy[SLOT];
	struct peer_vram_rw rw = {
		.size = sizeof(rw),
		.handle = slot->handle,
		.offset = slot->offset,
		.length = SLOT,
		.buffer = (uintptr_t)copy,
	};
	const uint8_t *have = slot->at;
	int wrong = 0;
	size_t i;

	if (by_owner && slot->handle) {
		if (ioctl(slot->fd, PEER_VRAM_IOC_READ, &rw))
			return -errno;
		have = copy;
	}
	if (!memcmp(have, slot->shadow, SLOT))
		return 0;
	for (i = 0; i < SLOT; i++)
		wrong += have[i] != slot->shadow[i];
	i = vt_first_diff(have, slot->shadow, SLOT);
	fprintf(stderr, "# %d bytes wrong, first %zu of slot %p%s: %02x, want %02x\n",
		wrong, i, slot->at, slot->handle ? " (VRAM)" : "",
		have[i], slot->shadow[i]);
	return wrong;
}
