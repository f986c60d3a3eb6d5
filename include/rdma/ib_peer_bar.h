/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for exporters whose memory is a fixed range of a PCI BAR: it never
 * moves, and all there is to do is to hand it out and to take it back.
 *
 *	bar = ib_peer_bar_add(&(struct ib_peer_bar_desc){
 *		.name = "foo0",
 *		.owner = THIS_MODULE,
 *		.device = &pdev->dev,
 *		.start = pci_resource_start(pdev, 2),
 *		.size = pci_resource_len(pdev, 2),
 *	});
 *
 * makes /dev/foo0, where open() and mmap() allocate memory that RDMA devices
 * register, pinned and on demand; ib_peer_bar_remove() ends all of that, whoever
 * still uses it. User interface: uapi/rdma/peer_bar.h.
 */
#ifndef RDMA_IB_PEER_BAR_H
#define RDMA_IB_PEER_BAR_H

#include <linux/types.h>

struct device;
struct module;
struct ib_peer_bar;
struct ib_peer_bar_memory;
struct ib_peer_region;

enum ib_peer_bar_flags {
	/*
	 * mmap() maps the range itself, at the offset given, and all share it;
	 * else it allocates.
	 */
	IB_PEER_BAR_SHARED = 1 << 0,
	/*
	 * Reading and writing have effects: not cached, not combined, not
	 * cleared, and not reached by ptrace. Only with SHARED.
	 */
	IB_PEER_BAR_REGISTERS = 1 << 1,
};

/**
 * struct ib_peer_bar_ops - what an exporter does by itself; each may be NULL
 *
 * But for @ioctl, none is called any more when ib_peer_bar_remove() has returned.
 *
 * @allow: Policy: may region->importer register it? Comes at every claim, see
 *         struct ib_peer_ops. Return: 0, -EACCES, or another -errno but -ENXIO.
 * @alloc: Finds @length bytes, page aligned; @offset is from desc.start. Without
 *         it the helper divides the range. Return: 0, -ENOSPC, -ENOMEM.
 * @free:  Undoes @alloc; both or none.
 * @available: Bytes that @alloc still has; needed with it.
 * @ioctl: Calls of the node that are not the helper's, by who opened it for
 *         writing. May come after removal: see ib_peer_bar_enter(). The helper
 *         keeps desc.owner loaded. Return: -ENOTTY if not this one's either.
 */
struct ib_peer_bar_ops {
	int (*allow)(struct ib_peer_region *region, void *priv);
	int (*alloc)(u64 length, u64 *offset, void *priv);
	void (*free)(u64 offset, u64 length, void *priv);
	u64 (*available)(void *priv);
	long (*ioctl)(struct ib_peer_bar *bar, unsigned int nr,
		      void __user *arg);
};

/**
 * struct ib_peer_bar_desc - what is offered
 * @name:   of the node and of the client in sysfs: at most 31 characters, unique
 * @owner:  THIS_MODULE; cannot be unloaded while the node is open or mapped
 * @device: that the memory is part of; stays until ib_peer_bar_remove()
 * @start:  CPU physical address, page aligned, of a range that the driver owns
 * @size:   bytes, page aligned
 * @flags:  enum ib_peer_bar_flags
 * @ops:    may be NULL
 * @priv:   for @ops
 *
 * Copied, but for what @device and @ops point to.
 */
struct ib_peer_bar_desc {
	const char *name;
	struct module *owner;
	struct device *device;
	resource_size_t start;
	resource_size_t size;
	unsigned int flags;
	const struct ib_peer_bar_ops *ops;
	void *priv;
};

/**
 * ib_peer_bar_add() - offer a range
 *
 * Context: may sleep. The node is there, and @ops are called, before it returns.
 * Return: the bar, or ERR_PTR of -EINVAL (sizes, flags, name), -EEXIST (name
 * taken), -ENOMEM.
 */
struct ib_peer_bar *ib_peer_bar_add(const struct ib_peer_bar_desc *desc);

/**
 * ib_peer_bar_remove() - the range goes away
 *
 * When this returns no mapping reaches the range (SIGBUS), no RDMA device does
 * (the memory regions answer with errors), all that @alloc gave went back by
 * @free, and the node is gone. Waits for callbacks under way, never for a user.
 *
 * Context: may sleep. Hold nothing that the ops need. NULL is fine.
 */
void ib_peer_bar_remove(struct ib_peer_bar *bar);

/**
 * ib_peer_bar_enter() - use the device in @ioctl
 *
 * Until ib_peer_bar_exit() the bar is there and ib_peer_bar_remove() waits: so
 * not for long, and without touching the program's memory or mmap_lock.
 *
 * Return: desc.priv, or ERR_PTR of -ENODEV removed.
 */
void *ib_peer_bar_enter(struct ib_peer_bar *bar);
void ib_peer_bar_exit(struct ib_peer_bar *bar);

/**
 * ib_peer_bar_memory_get() - what a program calls by an address
 * @addr:   in current->mm, mapped from this bar
 * @length: bytes, not 0; no alignment needed
 * @write:  the mapping must permit writing (else reading)
 * @offset: where @addr lies, from desc.start
 *
 * For @ioctl, before ib_peer_bar_enter(). The memory is given to nobody else
 * until ib_peer_bar_memory_put(), unless the bar is removed.
 *
 * Return: the memory, or ERR_PTR of -ENXIO @addr is not this bar's, -EFAULT the
 * range is not one piece of memory, -EACCES, -ENODEV destroyed, -EINTR killed.
 */
struct ib_peer_bar_memory *ib_peer_bar_memory_get(struct ib_peer_bar *bar,
						  unsigned long addr,
						  u64 length, bool write,
						  u64 *offset);
void ib_peer_bar_memory_put(struct ib_peer_bar_memory *memory);

#endif
