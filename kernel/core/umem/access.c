// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The accesses of a CPU importer. Each access looks up the page and uses it
 * as a reader (readers.h). Device memory is accessed only with accessors,
 * through the mapping of its exporter. A missing page of an on-demand umem is
 * faulted in outside the reader, and looked up again.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>

#include "hold_point.h"
#include "umem/fault.h"
#include "umem/fault_request.h"
#include "umem/fault_work.h"
#include "umem/lookup.h"
#include "umem/umem.h"

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
 * Bytes to copy before a reader checks whether it should unlock. A read of 4
 * bytes of device memory may take a microsecond, and a preemptible kernel
 * cannot preempt the holder of the lock. Other kernels only keep an
 * invalidation waiting, for less than a page.
 */
static size_t peer_copy_chunk(const struct iosys_map *map)
{
	return map->is_iomem && preempt_model_preemptible() ? SZ_256 :
							       PAGE_SIZE;
}

static bool peer_should_unlock(struct peer_reader *reader)
{
	return need_resched() || spin_is_contended(&reader->lock);
}

/* memcpy_toio() and memcpy_fromio() of some architectures access single bytes. */
static noinline void peer_copy_registers(struct iosys_map *map, size_t at,
					 void *buf, size_t bytes,
					 enum peer_dir dir)
{
	size_t done;

	for (done = 0; done < bytes; done += sizeof(u32)) {
		void __iomem *io = map->vaddr_iomem + at + done;

		if (dir == PEER_WRITE)
			__raw_writel(get_unaligned((u32 *)(buf + done)), io);
		else
			put_unaligned(__raw_readl(io), (u32 *)(buf + done));
	}
}

/* Return: the number of bytes copied, not 0. */
static __always_inline size_t peer_copy_mapped(struct peer_reader *reader,
					       unsigned long pte,
					       struct iosys_map *map, size_t at,
					       void *buf, size_t bytes,
					       enum peer_dir dir)
{
	size_t limit = peer_copy_chunk(map);
	size_t done = 0, n;

	do {
		n = min(bytes - done, limit);
		if (unlikely(pte & PEER_PTE_REGISTERS))
			peer_copy_registers(map, at + done, buf + done, n, dir);
		else if (dir == PEER_WRITE)
			iosys_map_memcpy_to(map, at + done, buf + done, n);
		else
			iosys_map_memcpy_from(buf + done, map, at + done, n);
		done += n;
	} while (done < bytes && !peer_should_unlock(reader));
	return done;
}

/*
 * Copies the span, or its first bytes, and sets @span->bytes to the number
 * copied. Inlined once for each direction: a small access mostly costs calls
 * and branches. Return: as peer_lookup(); -EFAULT registers, and not words.
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
	if (likely(!ret) && peer_width_is_bad(pte, span->addr, span->bytes))
		ret = -EFAULT;
	if (likely(!ret)) {
		ib_peer_hold(IB_PEER_HOLD_COPY);
		peer_map(pte, &map);
		span->bytes = peer_copy_mapped(reader, pte, &map, at, buf,
					       span->bytes, dir);
		peer_unmap(pte, &map, dir == PEER_WRITE);
	}
	peer_reader_unlock(reader);
	return ret;
}

/*
 * Faults in what a reader has missed. *@until is 0 at the first fault of an
 * access, which sets it: the deadline holds for the whole access, however
 * often its pages leave.
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

/* An operation on 8 bytes. */
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
	/* Registers are 4 bytes wide. */
	if (!ret && pte & PEER_PTE_REGISTERS)
		ret = -EFAULT;
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
