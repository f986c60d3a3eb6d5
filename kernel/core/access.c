// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What a CPU importer does with registered peer memory. Each access looks the
 * page up and uses it under the page's guard (umem_peer.c); device memory is
 * touched by accessors only, through the mapping that its exporter gave.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>

#include "ib_peer.h"

static rwlock_t *umem_guard(struct ib_umem_peer *peer, unsigned long page)
{
	return &peer->guard[page % IB_UMEM_PEER_GUARDS];
}

/*
 * The place of a page; its guard is held and must be until the place was used.
 * Return: 0, -EFAULT not there or revoked, -EACCES not for writing.
 */
static int peer_page(struct ib_umem_peer *peer, unsigned long page, bool write,
		     struct iosys_map *map)
{
	unsigned long pte = 0;

	if (likely(!READ_ONCE(peer->revoked)))
		pte = peer_entry_to_pte(xa_load(&peer->pages, page));
	if (unlikely(!pte))
		return -EFAULT;
	if (unlikely(write && !(pte & PEER_PTE_WRITE)))
		return -EACCES;
	if (pte & PEER_PTE_IOMEM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)
					  (pte & PAGE_MASK));
	else
		iosys_map_set_vaddr(map, (void *)(pte & PAGE_MASK));
	return 0;
}

static bool peer_in_range(struct ib_umem_peer *peer, u64 offset, size_t length)
{
	return offset <= peer->umem.length &&
	       length <= peer->umem.length - offset;
}

/* Walks the pages of an access: where in the page, and how much of it. */
struct peer_span {
	unsigned long page;
	size_t in_page;
	size_t bytes;
};

static struct peer_span peer_span(struct ib_umem_peer *peer, u64 offset,
				  size_t length)
{
	unsigned long addr = peer->umem.address + offset;
	struct peer_span span = {
		.page = (addr >> PAGE_SHIFT) - peer->first_page,
		.in_page = offset_in_page(addr),
	};

	span.bytes = min(length, PAGE_SIZE - span.in_page);
	return span;
}

enum peer_dir {
	PEER_READ,
	PEER_WRITE,
};

/* One page's share of a copy. */
static int peer_copy_page(struct ib_umem_peer *peer,
			  const struct peer_span *span, void *buf,
			  enum peer_dir dir)
{
	rwlock_t *guard = umem_guard(peer, span->page);
	struct iosys_map map;
	int ret;

	read_lock(guard);
	ret = peer_page(peer, span->page, dir == PEER_WRITE, &map);
	if (likely(!ret)) {
		if (dir == PEER_WRITE)
			iosys_map_memcpy_to(&map, span->in_page, buf,
					    span->bytes);
		else
			iosys_map_memcpy_from(buf, &map, span->in_page,
					      span->bytes);
	}
	read_unlock(guard);
	return ret;
}

static int peer_copy(struct ib_umem_peer *peer, u64 offset, void *buf,
		     size_t length, enum peer_dir dir)
{
	struct peer_span span;
	int ret;

	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	while (length) {
		span = peer_span(peer, offset, length);
		ret = peer_copy_page(peer, &span, buf, dir);
		if (ret)
			return ret;
		offset += span.bytes;
		buf += span.bytes;
		length -= span.bytes;
	}
	return 0;
}

int ib_umem_peer_read(struct ib_umem_peer *peer, u64 offset, void *dst,
		      size_t length)
{
	return peer_copy(peer, offset, dst, length, PEER_READ);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_read);

int ib_umem_peer_write(struct ib_umem_peer *peer, u64 offset, const void *src,
		       size_t length)
{
	return peer_copy(peer, offset, (void *)src, length, PEER_WRITE);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_write);

/* What is done to eight bytes, and with what. */
struct peer_word_op {
	enum { PEER_CMP_SWAP, PEER_FETCH_ADD, PEER_STORE } kind;
	u64 compare;
	u64 operand;
	u64 orig;
};

static void peer_word_apply(struct iosys_map *map, size_t at,
			    struct peer_word_op *op)
{
	switch (op->kind) {
	case PEER_CMP_SWAP:
		op->orig = iosys_map_rd(map, at, u64);
		if (op->orig == op->compare)
			iosys_map_wr(map, at, u64, op->operand);
		break;
	case PEER_FETCH_ADD:
		op->orig = iosys_map_rd(map, at, u64);
		iosys_map_wr(map, at, u64, op->orig + op->operand);
		break;
	case PEER_STORE:
		/* Earlier writes may sit in a write-combining buffer. */
		wmb();
		iosys_map_wr(map, at, u64, op->operand);
		break;
	}
}

static int peer_word(struct ib_umem_peer *peer, u64 offset,
		     struct peer_word_op *op)
{
	struct peer_span span;
	struct iosys_map map;
	rwlock_t *guard;
	int ret;

	if (!peer_in_range(peer, offset, sizeof(u64)))
		return -EFAULT;
	if (!IS_ALIGNED(peer->umem.address + offset, sizeof(u64)))
		return -EINVAL;
	span = peer_span(peer, offset, sizeof(u64));
	guard = umem_guard(peer, span.page);

	read_lock(guard);
	ret = peer_page(peer, span.page, true, &map);
	if (!ret)
		peer_word_apply(&map, span.in_page, op);
	read_unlock(guard);
	return ret;
}

int ib_umem_peer_cmp_swap(struct ib_umem_peer *peer, u64 offset, u64 compare,
			  u64 swap, u64 *orig)
{
	struct peer_word_op op = {
		.kind = PEER_CMP_SWAP, .compare = compare, .operand = swap,
	};
	int ret = peer_word(peer, offset, &op);

	*orig = op.orig;
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_cmp_swap);

int ib_umem_peer_fetch_add(struct ib_umem_peer *peer, u64 offset, u64 add,
			   u64 *orig)
{
	struct peer_word_op op = { .kind = PEER_FETCH_ADD, .operand = add };
	int ret = peer_word(peer, offset, &op);

	*orig = op.orig;
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_fetch_add);

int ib_umem_peer_store64(struct ib_umem_peer *peer, u64 offset, u64 value)
{
	struct peer_word_op op = { .kind = PEER_STORE, .operand = value };

	return peer_word(peer, offset, &op);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_store64);

int ib_umem_peer_flush(struct ib_umem_peer *peer, u64 offset, size_t length)
{
	struct peer_span span = peer_span(peer, offset, 1);
	u8 last;

	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	/* Out of the CPU's write-combining buffers, ... */
	wmb();
	/* ... and into the device: a read of it pushes posted writes ahead. */
	return length ? peer_copy_page(peer, &span, &last, PEER_READ) : 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_flush);
