// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What a CPU importer does with registered memory. Each access looks the page up
 * and uses it as a reader (readers.h); device memory is touched by accessors only,
 * through the mapping that its exporter gave. On demand, a page that is missing is
 * faulted in by no reader, and looked up again.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "access.h"

int peer_lookup(struct peer_reader *reader, struct ib_umem_peer *peer,
		unsigned long addr, bool write, unsigned long *pte)
{
	if (unlikely(READ_ONCE(peer->revoked)))
		return -EFAULT;
	if (unlikely(write && !READ_ONCE(peer->writable)))
		return -EACCES;
	*pte = peer_reader_pte(reader, peer, addr);
	if (unlikely(!*pte))
		return peer->on_demand ? -EAGAIN : -EFAULT;
	if (unlikely(write && !(*pte & PEER_PTE_WRITE)))
		return peer->on_demand ? -EAGAIN : -EACCES;
	return 0;
}

/* A page of system memory is mapped for the moment of the access only. */
void peer_map(unsigned long pte, struct iosys_map *map)
{
	unsigned long place = pte & PAGE_MASK;

	if (pte & PEER_PTE_IOMEM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)place);
	else if (pte & PEER_PTE_PAGE)
		iosys_map_set_vaddr(map, kmap_local_pfn(PHYS_PFN(place)));
	else
		iosys_map_set_vaddr(map, (void *)place);
}

/*
 * Nobody else knows that the page was written: the CPU's page table need not
 * say so. The reader has not unlocked, so the page is still the process's.
 */
void peer_unmap(unsigned long pte, struct iosys_map *map, bool written)
{
	struct page *page;

	if (!(pte & PEER_PTE_PAGE))
		return;
	kunmap_local(map->vaddr);
	page = pfn_to_page(PHYS_PFN(pte & PAGE_MASK));
	if (written && !PageDirty(page))
		set_page_dirty(page);
}

/* The part of an access that lies in one page. */
struct peer_span {
	unsigned long addr;
	size_t bytes;
};

static struct peer_span peer_span(struct ib_umem_peer *peer, u64 offset,
				  size_t length)
{
	struct peer_span span = { .addr = peer->umem.address + offset };

	span.bytes = min(length, PAGE_SIZE - offset_in_page(span.addr));
	return span;
}

enum peer_dir {
	PEER_READ,
	PEER_WRITE,
};

/*
 * Bytes that are copied before a reader looks whether it has to let go. A read of 4
 * bytes of device memory may take a microsecond, and a kernel that can be preempted
 * is not while the lock is held. In others only an invalidation waits, for less
 * than a page.
 */
static size_t peer_step(const struct iosys_map *map)
{
	return map->is_iomem && preempt_model_preemptible() ? SZ_256 :
							       PAGE_SIZE;
}

static bool peer_is_wanted(struct peer_reader *reader)
{
	return need_resched() || spin_is_contended(&reader->lock);
}

/* Return: the bytes that were copied, not 0. */
static __always_inline size_t peer_copy_mapped(struct peer_reader *reader,
					       struct iosys_map *map, size_t at,
					       void *buf, size_t bytes,
					       enum peer_dir dir)
{
	size_t limit = peer_step(map);
	size_t done = 0, n;

	do {
		n = min(bytes - done, limit);
		if (dir == PEER_WRITE)
			iosys_map_memcpy_to(map, at + done, buf + done, n);
		else
			iosys_map_memcpy_from(buf + done, map, at + done, n);
		done += n;
	} while (done < bytes && !peer_is_wanted(reader));
	return done;
}

/*
 * Copies the span, or the first bytes of it, and sets @span->bytes to how many.
 * Inline, once for each direction: what a small access costs is calls and
 * branches. Return: as peer_lookup().
 */
static __always_inline int peer_copy_span(struct ib_umem_peer *peer,
					  struct peer_span *span,
					  void *buf, enum peer_dir dir)
{
	size_t at = offset_in_page(span->addr);
	struct peer_reader *reader;
	struct iosys_map map;
	unsigned long pte;
	int ret;

	reader = peer_reader_lock();
	ret = peer_lookup(reader, peer, span->addr, dir == PEER_WRITE, &pte);
	if (likely(!ret)) {
		ib_peer_hold(IB_PEER_HOLD_COPY);
		peer_map(pte, &map);
		span->bytes = peer_copy_mapped(reader, &map, at, buf,
					       span->bytes, dir);
		peer_unmap(pte, &map, dir == PEER_WRITE);
	}
	peer_reader_unlock(reader);
	return ret;
}

/*
 * Brings what a reader has missed. *@until: 0 at the first fault of an access,
 * which sets it: the bound is for the access, however often its pages leave.
 */
static int peer_fault_in(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write, unsigned long *until)
{
	if (!*until)
		*until = ib_umem_peer_deadline();
	return ib_umem_peer_fault_wait(peer, addr, length,
				       write ? PEER_FAULT_WRITE : 0, *until);
}

static __always_inline int peer_copy(struct ib_umem_peer *peer, u64 offset,
				     void *buf, size_t length,
				     enum peer_dir dir)
{
	struct peer_span span;
	unsigned long until = 0;
	int ret;

	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	while (length) {
		span = peer_span(peer, offset, length);
		ret = peer_copy_span(peer, &span, buf, dir);
		if (unlikely(ret == -EAGAIN)) {
			ret = peer_fault_in(peer, span.addr, span.bytes,
					    dir == PEER_WRITE, &until);
			if (!ret)
				continue;
		}
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

/* Does not fault: the caller may hold a lock. */
static int peer_word(struct ib_umem_peer *peer, u64 offset,
		     struct peer_word_op *op)
{
	unsigned long addr = peer->umem.address + offset;
	struct peer_reader *reader;
	struct iosys_map map;
	unsigned long pte;
	int ret;

	if (!peer_in_range(peer, offset, sizeof(u64)))
		return -EFAULT;
	if (!IS_ALIGNED(addr, sizeof(u64)))
		return -EINVAL;

	reader = peer_reader_lock();
	ret = peer_lookup(reader, peer, addr, true, &pte);
	if (!ret) {
		peer_map(pte, &map);
		peer_word_apply(&map, offset_in_page(addr), op);
		peer_unmap(pte, &map, true);
	}
	peer_reader_unlock(reader);
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

int ib_umem_peer_fault_in(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, unsigned long *until)
{
	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	return peer_fault_in(peer, peer->umem.address + offset, length, write,
			     until);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_fault_in);

static int peer_lookup_unused(struct ib_umem_peer *peer, unsigned long addr,
			      bool write)
{
	struct peer_reader *reader = peer_reader_lock();
	unsigned long pte;
	int ret;

	ret = peer_lookup(reader, peer, addr, write, &pte);
	peer_reader_unlock(reader);
	return ret;
}

int ib_umem_peer_present(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write)
{
	size_t bytes;
	int ret = 0;

	/* The last byte may be the last of all addresses. */
	for (; length && !ret; addr += bytes, length -= bytes) {
		bytes = min(length, PAGE_SIZE - offset_in_page(addr));
		ret = peer_lookup_unused(peer, addr, write);
	}
	return ret;
}

int ib_umem_peer_prepare(struct ib_umem_peer *peer, u64 offset, size_t length,
			 bool write, unsigned long timeout)
{
	unsigned long addr = peer->umem.address + offset;
	int ret;

	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	ret = ib_umem_peer_present(peer, addr, length, write);
	if (likely(ret != -EAGAIN))
		return ret;
	return ib_umem_peer_fault_timeout(peer, addr, length,
					  write ? PEER_FAULT_WRITE : 0,
					  timeout);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_prepare);
