/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for importers: struct ib_umem_peer, the flavour of ib_umem for
 * peer memory.
 *
 * A CPU importer registers with ib_umem_peer_get() and accesses the memory
 * only with the functions below. Accesses may run concurrently with each
 * other and with invalidation and revocation of the same memory; the return
 * value says whether the access took place.
 *
 * Offsets are in bytes from the registered address, or from the registered
 * offset in the dma-buf.
 */
#ifndef RDMA_IB_UMEM_PEER_H
#define RDMA_IB_UMEM_PEER_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/interval_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/rbtree_types.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>
#include <rdma/peer_mem.h>

struct dma_buf;
struct ib_peer_attachment;
struct ib_peer_export;
struct ib_peer_queue;
struct ib_umem_peer_dma_ops;
struct workqueue_struct;

/**
 * struct ib_umem_peer_stats - counters of an on-demand MR
 * @faults:        faults; each makes one page or more present
 * @invalidations: pages invalidated
 * @prefetched:    pages prefetched with ib_umem_peer_prefetch()
 *
 * They only increase.
 */
struct ib_umem_peer_stats {
	atomic64_t faults;
	atomic64_t invalidations;
	atomic64_t prefetched;
};

/**
 * struct ib_umem_peer - registered peer memory
 * @umem:      umem.address and umem.length are as registered
 * @on_demand: pages fault in on access, and may leave; constant
 * @stats:     may be read at any time
 *
 * Fields that accesses read come first. Fields that change during accesses
 * have separate cache lines.
 */
struct ib_umem_peer {
	struct ib_umem umem;
	bool on_demand;

	/* private: */
	bool revoked;
	bool writable;
	bool may_write;
	bool mmu_tracked;
	bool charged;
	bool non_revocable;
	u32 number;
	unsigned int first_hint;
	unsigned long base;
	struct mm_struct *registrant;
	char *probe;
	struct dma_buf *dmabuf;
	struct ib_peer_export *export;
	struct ib_peer_attachment *attachment;
	const struct ib_umem_peer_dma_ops *dma_ops;
	struct device *dma_device;

	struct xarray pages ____cacheline_aligned_in_smp;
	u64 changes; /* under xa_lock, as quiesced; see umem/readers.h */
	u64 quiesced;
	struct rb_root_cached regions;
	refcount_t region_refs;
	struct completion regions_released;
	struct mmu_interval_notifier notifier;
	wait_queue_head_t waiters; /* waits of faults; woken when the umem ends */
	atomic_t active_faults;
	spinlock_t work_lock; /* protects works and prefetches */
	struct list_head works;
	unsigned int prefetches;
	struct ib_peer_queue *queue;
	struct list_head queue_node;

	/* public: */
	struct ib_umem_peer_stats stats;
};

static inline struct ib_umem_peer *to_ib_umem_peer(struct ib_umem *umem)
{
	return container_of(umem, struct ib_umem_peer, umem);
}

/**
 * ib_umem_peer_get() - register a range of peer memory
 * @ibdev:  the importer
 * @addr:   first byte, any alignment
 * @size:   bytes
 * @access: IB_ACCESS_xxx
 *
 * Without IB_ACCESS_ON_DEMAND: call it after ib_umem_get() has failed. Pins
 * the memory and charges it to RLIMIT_MEMLOCK, as ib_umem_get() does.
 *
 * With IB_ACCESS_ON_DEMAND: registers any range of the address space, mapped
 * or not, of any kind of memory. Address 0 and size SIZE_MAX register all of
 * it. Nothing is pinned or charged. Permissions are checked at each access.
 *
 * Context: may sleep. Call it in the task that owns the range.
 * Return: the umem, or ERR_PTR of
 *
 * * -EFAULT - no exporter owns the whole range
 * * -EACCES - the exporter denies it, or the mapping does not permit it
 * * -EINVAL - size 0; wrap-around; FLUSH_PERSISTENT requested (device memory
 *   is volatile)
 * * -EOPNOTSUPP - the exporter does not pin
 * * -ENOMEM - out of memory, or above RLIMIT_MEMLOCK
 * * -ENODEV - the exporter is being unregistered
 * * -EINTR - the task is being killed
 *
 * or the error of the exporter's claim(), pin() or fault().
 */
struct ib_umem_peer *ib_umem_peer_get(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access);

/**
 * ib_umem_peer_get_dmabuf() - register a range of a dma-buf
 * @ibdev:  the importer
 * @fd:     descriptor of the current process
 * @offset: in the dma-buf, any alignment
 * @size:   bytes
 * @access: IB_ACCESS_xxx
 *
 * Behaves as an on-demand umem: pages fault in through the CPU mapping of the
 * dma-buf's driver, and leave when it moves the buffer. If the dma-buf
 * belongs to an exporter, the exporter claims it, as it claims ranges of
 * memory.
 *
 * Context: may sleep.
 * Return: the umem, or ERR_PTR of
 *
 * * -EBADF - not a descriptor
 * * -ENODEV - the dma-buf is an exported range, and that was unmapped
 * * -EINVAL - not a dma-buf; size 0; not within the dma-buf; ON_DEMAND or
 *   FLUSH_PERSISTENT requested
 * * -EACCES - write access requested and the descriptor is read-only; or the
 *   exporter denies it
 * * -EOPNOTSUPP - the dma-buf cannot be mapped for the CPU
 * * -ENOMEM - out of memory
 *
 * or the error of the exporter.
 */
struct ib_umem_peer *ib_umem_peer_get_dmabuf(struct ib_device *ibdev, int fd,
					     u64 offset, size_t size,
					     int access);

/**
 * ib_umem_peer_stop() - fail all accesses from now on
 * @peer: the umem; NULL is allowed
 *
 * Call it before waiting for accesses in progress: when it returns, none of
 * them waits for a page. Kills faults in progress.
 *
 * Context: may sleep. Waits for calls into the exporter, never for a user.
 */
void ib_umem_peer_stop(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_release() - end a registration
 * @peer: the umem; NULL is allowed
 *
 * The importer has made sure that no access is in progress.
 *
 * Context: may sleep. Waits for calls into the exporter, never for a user.
 */
void ib_umem_peer_release(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_read() - copy from peer memory
 * @peer:   the umem
 * @offset: first byte
 * @dst:    kernel memory
 * @length: bytes
 *
 * Context: may sleep on demand.
 * Return: 0; -EFAULT revoked, outside of the umem, or registers and not aligned
 * words of 4 bytes (part of @dst may have been written); on demand also an error
 * of ib_umem_peer_fault_in().
 */
int ib_umem_peer_read(struct ib_umem_peer *peer, u64 offset, void *dst,
		      size_t length);

/**
 * ib_umem_peer_write() - copy to peer memory
 * @peer:   the umem
 * @offset: first byte
 * @src:    kernel memory
 * @length: bytes
 *
 * Context: may sleep on demand.
 * Return: 0; -EFAULT as ib_umem_peer_read() (the first pages may have been
 * written); -EACCES registered without write access; on demand also an error
 * of ib_umem_peer_fault_in().
 */
int ib_umem_peer_write(struct ib_umem_peer *peer, u64 offset, const void *src,
		       size_t length);

/**
 * ib_umem_peer_cmp_swap() - 8-byte compare and swap
 * @peer:    the umem
 * @offset:  such that the address is a multiple of 8
 * @compare: value to compare with
 * @swap:    value to store if equal
 * @orig:    receives the previous value
 *
 * The caller serialises its atomics: device memory has no atomic accessors.
 *
 * Context: process context; does not sleep. The caller may hold spinlocks.
 * Return: 0; -EINVAL unaligned; -EFAULT registers, or as ib_umem_peer_write();
 * -EACCES as ib_umem_peer_write();
 * -EAGAIN the page is not present: call ib_umem_peer_fault_in() and repeat.
 */
int ib_umem_peer_cmp_swap(struct ib_umem_peer *peer, u64 offset, u64 compare,
			  u64 swap, u64 *orig);

/**
 * ib_umem_peer_fetch_add() - 8-byte fetch and add
 * @peer:   the umem
 * @offset: such that the address is a multiple of 8
 * @add:    value to add
 * @orig:   receives the previous value
 *
 * Context: process context; does not sleep. The caller may hold spinlocks.
 * Return: as ib_umem_peer_cmp_swap().
 */
int ib_umem_peer_fetch_add(struct ib_umem_peer *peer, u64 offset, u64 add,
			   u64 *orig);

/**
 * ib_umem_peer_store64() - store 8 bytes at once, after all earlier writes
 * @peer:   the umem
 * @offset: such that the address is a multiple of 8
 * @value:  value to store
 *
 * Context: process context; does not sleep. The caller may hold spinlocks.
 * Return: as ib_umem_peer_cmp_swap().
 */
int ib_umem_peer_store64(struct ib_umem_peer *peer, u64 offset, u64 value);

/**
 * ib_umem_peer_fault_in() - fault in pages that an atomic has missed
 * @peer:   the umem
 * @offset: first byte
 * @length: bytes
 * @write:  for writing
 * @until:  deadline of the access in jiffies; 0 before its first fault, which
 *          sets it
 *
 * The pages may leave again before the access repeats; then call it again.
 *
 * Context: may sleep.
 * Return: 0; -EFAULT, -EACCES, -ENOMEM as the access; -ETIMEDOUT the pages
 * did not arrive, or did not stay, for 60 seconds; -EINTR the task is being
 * killed; -ECANCELED see ib_umem_peer_cancel().
 */
int ib_umem_peer_fault_in(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, unsigned long *until);

/**
 * struct ib_umem_peer_cancel - cancels the waits of an object's work items
 *
 * Zeroed memory is inactive.
 */
struct ib_umem_peer_cancel {
	/* private: */
	struct interval_tree_node object;
	bool active;
};

/**
 * ib_umem_peer_cancel() - cancel the waits of an object's work items
 * @cancel: stays valid until ib_umem_peer_cancel_end()
 * @object: contains the struct work_struct of the accesses
 * @size:   of the object, in bytes
 *
 * Call it before waiting for such work items, as when a queue pair is
 * destroyed. Their accesses return -ECANCELED instead of waiting, now and
 * until ib_umem_peer_cancel_end(). The fault itself continues. May be called
 * twice.
 *
 * Context: any.
 */
void ib_umem_peer_cancel(struct ib_umem_peer_cancel *cancel, const void *object,
			 size_t size);

/**
 * ib_umem_peer_cancel_end() - allow waits again
 * @cancel: may be inactive
 *
 * Context: any.
 */
void ib_umem_peer_cancel_end(struct ib_umem_peer_cancel *cancel);

/**
 * ib_umem_peer_is_cancelled() - check whether waits are cancelled
 * @cancel: of the object
 *
 * Return: true between ib_umem_peer_cancel() and ib_umem_peer_cancel_end().
 */
static inline bool
ib_umem_peer_is_cancelled(const struct ib_umem_peer_cancel *cancel)
{
	return READ_ONCE(cancel->active);
}

/**
 * struct ib_umem_peer_workqueues - workqueues for accesses of one process
 * @requesters: for work items that wait until their pages arrive
 * @responders: for work items that postpone an access whose pages take long
 *
 * A workqueue runs a limited number of work items at a time. If all of them
 * wait for pages of one user, a shared workqueue stops for all users. On
 * these, work items delay only those of the same process on the same
 * workqueue.
 */
struct ib_umem_peer_workqueues {
	struct workqueue_struct *requesters;
	struct workqueue_struct *responders;
};

/**
 * ib_umem_peer_get_workqueues() - get the workqueues of the process that
 * registered
 * @peer: the umem
 *
 * Context: may sleep.
 * Return: the workqueues, with a reference; NULL if @peer is not on demand.
 */
struct ib_umem_peer_workqueues *
ib_umem_peer_get_workqueues(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_put_workqueues() - drop a reference to workqueues
 * @wqs: no work is queued there any more; NULL is allowed
 *
 * A work item may still be returning from its function.
 *
 * Context: may sleep; not in such a work item.
 */
void ib_umem_peer_put_workqueues(struct ib_umem_peer_workqueues *wqs);

/**
 * ib_umem_peer_deadline() - get the deadline of an access that begins now
 *
 * Return: jiffies, 60 seconds from now; never 0.
 */
unsigned long ib_umem_peer_deadline(void);

/**
 * ib_umem_peer_prepare() - fault in pages, but do not wait long
 * @peer:    the umem
 * @offset:  first byte
 * @length:  bytes
 * @write:   for writing
 * @timeout: jiffies
 *
 * For a caller that must not be slow and accesses the range next. The pages
 * may leave again before that; then the access itself waits for them.
 *
 * Context: may sleep.
 * Return: 0; -EAGAIN the fault is in progress, try again later; -EFAULT,
 * -EACCES, -ENOMEM, -ETIMEDOUT, -EINTR, -ECANCELED as the access.
 */
int ib_umem_peer_prepare(struct ib_umem_peer *peer, u64 offset, size_t length,
			 bool write, unsigned long timeout);

/**
 * ib_umem_peer_prefetch() - fault in pages before they are needed
 * @peer:   the umem
 * @offset: first byte
 * @length: bytes
 * @write:  for writing
 * @fault:  false: only use what is present already
 * @wait:   wait for the result; otherwise the prefetch runs in the
 *          background, or is dropped if many are in progress
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; with @wait also an error as the access.
 */
int ib_umem_peer_prefetch(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, bool fault, bool wait);

/**
 * ib_umem_peer_flush() - make earlier writes to a range visible to everyone
 * @peer:   the umem
 * @offset: first byte
 * @length: bytes
 *
 * Reads each region of device memory in the range once, so that posted writes
 * have reached the device.
 *
 * Context: process context; does not sleep. The caller may hold spinlocks.
 * Return: 0; -EFAULT revoked, or outside of the umem.
 */
int ib_umem_peer_flush(struct ib_umem_peer *peer, u64 offset, size_t length);

/**
 * ib_umem_peer_rereg() - change the access flags
 * @peer:   the umem
 * @access: IB_ACCESS_xxx
 *
 * Pinned memory cannot become writable, since it was pinned for reading, nor
 * can a dma-buf with a read-only descriptor. Other on-demand memory can;
 * permissions are checked at each access. The importer itself refuses writes
 * to an MR that it makes read-only.
 *
 * Return: 0; -EACCES it cannot become writable; -EINVAL FLUSH_PERSISTENT
 * requested; -EOPNOTSUPP ON_DEMAND would change.
 */
int ib_umem_peer_rereg(struct ib_umem_peer *peer, int access);

/**
 * ib_umem_peer_add_driver() - declare a driver as CPU importer
 * @id: as in struct ib_device_ops
 *
 * Queries then report that its devices reach peer memory. Such a driver calls
 * ib_umem_peer_get() after ib_umem_get() has failed, and for all on-demand
 * registrations.
 */
void ib_umem_peer_add_driver(enum rdma_driver_id id);

/**
 * ib_umem_peer_remove_driver() - undo ib_umem_peer_add_driver()
 * @id: as in struct ib_device_ops
 *
 * The devices of the driver are gone. Waits until its work items on
 * ib_umem_peer_get_workqueues() have returned.
 *
 * Context: may sleep.
 */
void ib_umem_peer_remove_driver(enum rdma_driver_id id);

#endif
