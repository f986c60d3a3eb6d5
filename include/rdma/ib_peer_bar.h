/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for exporters whose memory is a fixed range of a PCI BAR. Such memory
 * never moves, so it only needs to be allocated and freed.
 *
 *	bar = ib_peer_bar_add(&(struct ib_peer_bar_desc){
 *		.name = "foo0",
 *		.owner = THIS_MODULE,
 *		.device = &pdev->dev,
 *		.start = pci_resource_start(pdev, 2),
 *		.size = pci_resource_len(pdev, 2),
 *	});
 *
 * creates /dev/foo0. Its mmap() allocates memory that RDMA devices can register,
 * pinned and on demand. ib_peer_bar_remove() ends all use, without waiting for
 * users. User interface: uapi/rdma/peer_bar.h.
 */
#ifndef RDMA_IB_PEER_BAR_H
#define RDMA_IB_PEER_BAR_H

#include <linux/types.h>

struct device;
struct module;
struct ib_peer_bar;
struct ib_peer_bar_memory;
struct ib_peer_region;

/**
 * enum ib_peer_bar_flags - flags of struct ib_peer_bar_desc
 */
enum ib_peer_bar_flags {
	/**
	 * @IB_PEER_BAR_SHARED: All users share the range: mmap() maps it at the
	 * given offset. Without the flag, mmap() allocates memory from the
	 * range.
	 */
	IB_PEER_BAR_SHARED = 1 << 0,
	/**
	 * @IB_PEER_BAR_REGISTERS: Reads and writes have side effects. Mappings
	 * are uncached and not write-combined, nothing is cleared, and ptrace
	 * has no access. Needs IB_PEER_BAR_SHARED.
	 */
	IB_PEER_BAR_REGISTERS = 1 << 1,
};

/**
 * struct ib_peer_bar_ops - optional operations of an exporter
 * @allow: Policy: may region->importer register the region? Called at every
 *         claim, see struct ib_peer_ops. Return: 0, -EACCES, or another -errno
 *         except -ENXIO. NULL: all may
 * @alloc: Allocates @length bytes, page aligned. @offset gets the place, in bytes
 *         from desc.start. Return: 0, or -errno for the user, such as -ENOSPC.
 *         NULL: ib_peer_bar allocates from the range
 * @free:  Undoes @alloc. Needed with @alloc, and only then
 * @available: Returns the bytes that @alloc can still allocate. Needed with
 *         @alloc, and only then
 * @ioctl: Handles calls of the device node that ib_peer_bar does not know, from
 *         files opened for writing. May be called after removal, so it needs
 *         ib_peer_bar_enter(). desc.owner is loaded meanwhile. Return: -ENOTTY for
 *         an unknown call. NULL: there are none
 *
 * Each operation may be NULL. No operation except @ioctl is called after
 * ib_peer_bar_remove() has returned.
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
 * struct ib_peer_bar_desc - describes a range for ib_peer_bar_add()
 * @name:   of the device node, and of the exporter in sysfs; at most 31
 *          characters, unique
 * @owner:  THIS_MODULE; cannot be unloaded while the node is open or mapped
 * @device: the device that has the memory; must exist until ib_peer_bar_remove()
 * @start:  CPU physical address, page aligned. The driver owns the range
 * @size:   bytes, page aligned
 * @flags:  enum ib_peer_bar_flags
 * @ops:    may be NULL
 * @priv:   passed to @ops
 *
 * ib_peer_bar_add() copies the struct and the name. @device and @ops must stay
 * valid.
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
 * ib_peer_bar_add() - offer a range as peer memory
 * @desc: the range
 *
 * The device node exists, and the operations may be called, before it returns.
 *
 * Context: May sleep.
 * Return: the bar, or ERR_PTR of
 *
 * * -EINVAL - bad sizes, flags, operations or name
 * * -EEXIST - the name is in use
 * * -ENOMEM - out of memory
 */
struct ib_peer_bar *ib_peer_bar_add(const struct ib_peer_bar_desc *desc);

/**
 * ib_peer_bar_remove() - end all use of a range
 * @bar: from ib_peer_bar_add(); may be NULL
 *
 * When it returns, no mapping reaches the range (SIGBUS), and no RDMA device
 * reaches it (accesses to the memory regions fail). All that @alloc allocated was
 * freed by @free, and the device node is removed. It waits for operations in
 * progress and for ib_peer_bar_exit(), never for a user.
 *
 * Context: May sleep. The caller holds no lock that the operations take.
 */
void ib_peer_bar_remove(struct ib_peer_bar *bar);

/**
 * ib_peer_bar_enter() - begin to use the device in the ioctl operation
 * @bar: argument of the operation
 *
 * The bar is not removed until ib_peer_bar_exit(). ib_peer_bar_remove() waits for
 * that, so the section must be short. It must not access user memory and must not
 * take mmap_lock.
 *
 * Context: May sleep.
 * Return: desc.priv, or ERR_PTR of -ENODEV if the bar was removed.
 */
void *ib_peer_bar_enter(struct ib_peer_bar *bar);

/**
 * ib_peer_bar_exit() - end what ib_peer_bar_enter() began
 * @bar: the same
 */
void ib_peer_bar_exit(struct ib_peer_bar *bar);

/**
 * ib_peer_bar_memory_get() - find the memory at an address of current->mm
 * @bar:    argument of the ioctl operation
 * @addr:   in a mapping of this bar
 * @length: bytes, not 0; no alignment needed
 * @write:  the mapping must be writable; false: readable
 * @offset: gets the place of @addr, in bytes from desc.start
 *
 * For the ioctl operation, before ib_peer_bar_enter(). Until
 * ib_peer_bar_memory_put() the memory is not allocated to another user, unless the
 * bar is removed.
 *
 * Context: May sleep. Takes mmap_lock.
 * Return: the memory with a reference, or ERR_PTR of
 *   -ENXIO   @addr is not in a mapping of this bar
 *   -EFAULT  the range is not one contiguous mapping of one memory
 *   -EACCES  the mapping does not permit the access
 *   -ENODEV  the memory was destroyed
 *   -EINTR   the task is being killed
 */
struct ib_peer_bar_memory *ib_peer_bar_memory_get(struct ib_peer_bar *bar,
						  unsigned long addr,
						  u64 length, bool write,
						  u64 *offset);

/**
 * ib_peer_bar_memory_put() - drop a reference to a memory
 * @memory: from ib_peer_bar_memory_get()
 *
 * Context: May sleep.
 */
void ib_peer_bar_memory_put(struct ib_peer_bar_memory *memory);

#endif
