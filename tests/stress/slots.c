// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory of a worker, in slots. Four kinds: video memory and host memory on
 * demand, side by side below one MR; both pinned. An implicit MR is over all.
 *
 * Whoever has taken a slot is alone with it, and knows what must be in it.
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

static int make_object(struct memory *m, int i, struct place *place)
{
	struct peer_vram_create create = {
		.size = sizeof(create),
		.length = OBJECT,
	};

	if (ioctl(m->vram, PEER_VRAM_IOC_CREATE, &create) ||
	    mmap(m->area + i * OBJECT, OBJECT, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, m->vram,
		 create.mmap_offset) == MAP_FAILED)
		return -errno;
	atomic_store(&place->handle[i], create.handle);
	return 0;
}

static int make_area(struct memory *m, struct place *place)
{
	uint8_t *room = mmap(NULL, VRAM_SIZE + HOST_SIZE + 2 * ALIGN,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, ret = 0;

	m->shadow = calloc(1, VRAM_SIZE + HOST_SIZE);
	if (room == MAP_FAILED || !m->shadow)
		return -ENOMEM;
	m->area = (uint8_t *)(((uintptr_t)room + ALIGN - 1) & ~(ALIGN - 1));
	for (i = 0; i < OBJECTS && !ret; i++)
		ret = make_object(m, i, place);
	atomic_store(&place->host, (uintptr_t)m->area + VRAM_SIZE);
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

static void own_slots(struct slot *slot, int fd, uint32_t handle)
{
	size_t i;

	for (i = 0; i < OBJECT / SLOT; i++) {
		slot[i].fd = fd;
		slot[i].handle = handle;
		slot[i].offset = i * SLOT;
	}
}

static void make_slots(struct memory *m, struct place *place)
{
	struct slot *slot = m->slot;
	int i;

	slot = add_slots(slot, m->area, m->shadow, VRAM_SIZE + HOST_SIZE,
			 &m->mr);
	for (i = 0; i < OBJECTS; i++)
		own_slots(m->slot + i * (OBJECT / SLOT), m->vram,
			  place->handle[i]);
	slot = add_slots(slot, m->host.mem.addr, m->host.shadow, PINNED_HOST,
			 &m->host.mr);
	for (i = 0; i < PINNED_OBJECTS; i++) {
		struct vt_buf *buf = &m->pinned[i];

		slot = add_slots(slot, buf->mem.addr, buf->shadow, OBJECT,
				 &buf->mr);
		own_slots(slot - OBJECT / SLOT, buf->mem.fd, buf->mem.handle);
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
		struct place *place, uint64_t seed)
{
	int ret, i;

	m->dev = dev;
	m->vram = vram;
	ret = make_area(m, place);
	if (!ret)
		ret = vt_buf_open(&m->host, dev, &vt_mem_host, PINNED_HOST,
				  NULL);
	for (i = 0; i < PINNED_OBJECTS && !ret; i++)
		ret = vt_buf_open(&m->pinned[i], dev, &vt_mem_vram, OBJECT,
				  NULL);
	if (ret)
		return ret;
	m->mr = register_area(m);
	m->everything = register_everything(m);
	if (!m->mr || !m->everything)
		return -errno;
	make_slots(m, place);
	/* All is zero, as the shadows are; only filled, pages move at once. */
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
	for (i = 0; i < PINNED_OBJECTS; i++)
		ret |= vt_buf_close(&m->pinned[i]);
	munmap(m->area, VRAM_SIZE + HOST_SIZE);
	free(m->shadow);
	return ret ? -EIO : 0;
}

int memory_register(struct memory *m, uint64_t random)
{
	struct vt_buf *buf = &m->pinned[random / 8 % PINNED_OBJECTS];
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
				 mr == &buf->mr ? OBJECT : PINNED_HOST,
				 VT_ACCESS_ALL);
	return *mr ? 0 : -errno;
}

/* Half of the slots chosen are in video memory, on demand. */
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
	fprintf(stderr, "# %d bytes wrong, first %zu of slot %p%s: %02x, not %02x\n",
		wrong, i, slot->at, slot->handle ? " (video memory)" : "",
		have[i], slot->shadow[i]);
	return wrong;
}
