/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for importers: the fourth flavour of ib_umem, over peer memory.
 *
 * A CPU importer registers with ib_umem_peer_get() and touches the memory by
 * the calls below and in no other way. Each of them may run side by side with
 * all others and with invalidation and revocation of the same memory: what they
 * return tells whether the access took place.
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
struct ib_peer_export;
struct ib_peer_queue;
struct workqueue_struct;

/**
 * struct ib_umem_peer_stats - what happened to an on-demand MR
 * @faults:        questions asked: one brings a page, or many
 * @invalidations: pages taken away
 * @prefetched:    pages brought by ib_umem_peer_prefetch()
 */
struct ib_umem_peer_stats {
	atomic64_t faults;
	atomic64_t invalidations;
	atomic64_t prefetched;
};

/**
 * struct ib_umem_peer - registered peer memory
 * @umem: umem.address and umem.length as registered
 * @on_demand: pages come on access and may leave; constant
 * @stats: may be read at any time
 *
 * What an access reads comes first; what others write while accesses go on has
 * cache lines of its own.
 */
struct ib_umem_peer {
	struct ib_umem umem;
	bool on_demand;

	/* private: */
	bool revoked;
	bool writable;
	bool may_write;
	bool follows;
	bool charged;
	bool stubborn;
	u32 number;
	unsigned int first_hint;
	unsigned long base;
	struct mm_struct *registrant;
	char *trial;
	struct dma_buf *dmabuf;
	struct ib_peer_export *export;
	struct ib_peer_bridge *bridge;
	struct device *dma_device;

	struct xarray pages ____cacheline_aligned_in_smp;
	u64 changes; /* under xa_lock, as quiet; see readers.h */
	u64 quiet;
	struct rb_root_cached regions;
	refcount_t regions_left;
	struct completion no_regions;
	struct mmu_interval_notifier notifier;
	wait_queue_head_t waiters; /* faults that wait; woken at the end */
	atomic_t faults_under_way;
	spinlock_t work_lock; /* guards works and prefetches */
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
 * ib_umem_peer_get() - register a range that is peer memory
 * @ibdev:  the importer
 * @addr:   first byte, any alignment
 * @size:   bytes
 * @access: IB_ACCESS_xxx
 *
 * Without IB_ACCESS_ON_DEMAND: to be tried after ib_umem_get() failed. Pins the
 * memory and charges it to RLIMIT_MEMLOCK, as ib_umem_get() does.
 *
 * With it: any range of the address space, mapped or not, of whatever memory;
 * address 0 and size SIZE_MAX for all of it. Nothing is pinned and nothing
 * charged; what an access may do is found out when it comes.
 *
 * Call it in the task that owns the range.
 *
 * Return: the umem, or ERR_PTR of
 *   -EFAULT      no client owns the whole range
 *   -EACCES      its owner refuses: policy, or the mapping's permissions
 *   -EINVAL      size 0, wrap-around, FLUSH_PERSISTENT asked (device memory
 *                is volatile)
 *   -EOPNOTSUPP  its owner does not pin
 *   -ENOMEM      out of memory, or over RLIMIT_MEMLOCK
 *   -ENODEV      the owner is going away
 *   what the client's claim(), pin() or fault() said
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
 * As an on-demand registration in all that follows: pages come on access, by the
 * exporter's own mapping for the CPU, and leave when it moves the buffer. For
 * buffers of a client it is asked as for ranges of memory.
 *
 * Return: the umem, or ERR_PTR of
 *   -EBADF       no such descriptor
 *   -ENODEV      a range of a process, and that was unmapped, or has ended
 *   -EINVAL      not a dma-buf; size 0; not all in the dma-buf; ON_DEMAND or
 *                FLUSH_PERSISTENT asked
 *   -EACCES      write access asked, and the descriptor is for reading only; or
 *                the exporter refuses
 *   -EOPNOTSUPP  the exporter has no mapping for the CPU
 *   -ENOMEM, and what the exporter said
 */
struct ib_umem_peer *ib_umem_peer_get_dmabuf(struct ib_device *ibdev, int fd,
					     u64 offset, size_t size,
					     int access);

/**
 * ib_umem_peer_stop() - fail all accesses from now on
 *
 * For an importer that is about to wait for accesses under way: none of them
 * waits for a page any more when this returns. Faults under way are killed. May
 * sleep; waits for calls into the exporter, never for a user. NULL is fine.
 */
void ib_umem_peer_stop(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_release() - the end of a registration
 *
 * The importer has seen to it that no access is under way. May sleep; waits
 * for calls into the exporter, never for a user. NULL is fine.
 */
void ib_umem_peer_release(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_read() - copy from peer memory
 *
 * Return: 0, -EFAULT revoked or outside of the registration (then part of
 * @dst may have been written). On demand also what ib_umem_peer_fault_in() says.
 */
int ib_umem_peer_read(struct ib_umem_peer *peer, u64 offset, void *dst,
		      size_t length);

/**
 * ib_umem_peer_write() - copy to peer memory
 *
 * Return: 0, -EFAULT as above (a part up to some page may have been written),
 * -EACCES registered without write access.
 */
int ib_umem_peer_write(struct ib_umem_peer *peer, u64 offset, const void *src,
		       size_t length);

/**
 * ib_umem_peer_cmp_swap() - 8-byte compare and swap
 * @offset: aligned to 8 bytes in the address space
 * @orig:   what was there
 *
 * Atomic against the callers' other atomics only as far as the caller
 * serialises them: device memory has no atomic accessors. Does not sleep.
 * Return: 0, -EINVAL unaligned, -EFAULT, -EACCES as above; -EAGAIN on demand: the
 * page is not there, see ib_umem_peer_fault_in().
 */
int ib_umem_peer_cmp_swap(struct ib_umem_peer *peer, u64 offset, u64 compare,
			  u64 swap, u64 *orig);

/** ib_umem_peer_fetch_add() - 8-byte fetch and add; as cmp_swap */
int ib_umem_peer_fetch_add(struct ib_umem_peer *peer, u64 offset, u64 add,
			   u64 *orig);

/**
 * ib_umem_peer_store64() - write 8 bytes at once, after all earlier writes
 *
 * Return: as ib_umem_peer_cmp_swap().
 */
int ib_umem_peer_store64(struct ib_umem_peer *peer, u64 offset, u64 value);

/**
 * ib_umem_peer_fault_in() - fault in what an access without sleep did not find
 * @write: for writing
 * @until: jiffies at which the access gives up; 0 at its first fault, which sets it
 *
 * The pages may leave again before the access repeats, which then calls again.
 * Context: may sleep.
 * Return: 0; -EFAULT, -EACCES, -ENOMEM as the access would say; -ETIMEDOUT the
 * pages did not come, or did not stay, for 60 seconds; -EINTR the task is being
 * killed; -ECANCELED see ib_umem_peer_cancel().
 */
int ib_umem_peer_fault_in(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, unsigned long *until);

/**
 * struct ib_umem_peer_cancel - the works of an object wait for no page
 *
 * Zeroed memory is one that cancels nothing.
 */
struct ib_umem_peer_cancel {
	/* private: */
	struct interval_tree_node object;
	bool active;
};

/**
 * ib_umem_peer_cancel() - end the waits of an object's works, and let none begin
 * @cancel: must stay until ib_umem_peer_cancel_end()
 * @object: accesses are done by struct work_struct in it
 * @size:   of the object
 *
 * For an importer that is about to wait for such works, as when a queue pair is
 * destroyed. Their accesses return -ECANCELED where they would wait, at once; the
 * fault goes on by itself. May be called twice. Context: any.
 */
void ib_umem_peer_cancel(struct ib_umem_peer_cancel *cancel, const void *object,
			 size_t size);

/** ib_umem_peer_cancel_end() - they may wait again; also if nothing was cancelled */
void ib_umem_peer_cancel_end(struct ib_umem_peer_cancel *cancel);

/** ib_umem_peer_is_cancelled() - do works of the object wait for no page? */
static inline bool
ib_umem_peer_is_cancelled(const struct ib_umem_peer_cancel *cancel)
{
	return READ_ONCE(cancel->active);
}

/**
 * struct ib_umem_peer_workqueues - where accesses of a process's memory may wait
 * @requesters: for works that wait as long as it takes
 * @responders: for works that answer others, and put off what takes long
 *
 * A workqueue does a number of works at a time. One that is for the works of all users
 * does none any more when a user's works all wait for pages. On these, works delay only
 * those of the same process on the same one.
 */
struct ib_umem_peer_workqueues {
	struct workqueue_struct *requesters;
	struct workqueue_struct *responders;
};

/**
 * ib_umem_peer_get_workqueues() - those of the process that registered
 *
 * Context: may sleep. Return: them, with a reference; NULL @peer is not on demand.
 */
struct ib_umem_peer_workqueues *
ib_umem_peer_get_workqueues(struct ib_umem_peer *peer);

/**
 * ib_umem_peer_put_workqueues() - no work is queued there any more
 *
 * One may still be about to return from its function. Context: may sleep, in no such
 * work. NULL is fine.
 */
void ib_umem_peer_put_workqueues(struct ib_umem_peer_workqueues *wqs);

/**
 * ib_umem_peer_deadline() - when does an access that begins now give up?
 *
 * Return: jiffies, 60 seconds from now; never 0.
 */
unsigned long ib_umem_peer_deadline(void);

/**
 * ib_umem_peer_prepare() - bring pages, but do not wait for long
 * @write:   for writing
 * @timeout: jiffies
 *
 * For an access that is about to follow, by one who must not be slow. The pages
 * may leave again before it comes; then the access itself waits for them.
 *
 * Return: 0; -EAGAIN they are being brought, try again later; -EFAULT, -EACCES,
 * -ENOMEM, -ECANCELED as the access would say.
 */
int ib_umem_peer_prepare(struct ib_umem_peer *peer, u64 offset, size_t length,
			 bool write, unsigned long timeout);

/**
 * ib_umem_peer_prefetch() - bring pages before they are needed
 * @write: for writing
 * @fault: false: take what is there already, bring nothing
 * @wait:  until it is done; else it goes on in the background, or is left out, if
 *         many of the registration are under way
 *
 * Return: 0; -ENOMEM; with @wait what an access would say.
 */
int ib_umem_peer_prefetch(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, bool fault, bool wait);

/**
 * ib_umem_peer_flush() - make earlier writes to a range visible to everybody
 *
 * Each region of device memory that the range touches is read from once, so that
 * posted writes are in the device when this returns. Context: does not sleep.
 * Return: 0, -EFAULT revoked or outside of the registration.
 */
int ib_umem_peer_flush(struct ib_umem_peer *peer, u64 offset, size_t length);

/**
 * ib_umem_peer_rereg() - other access flags, from now on
 *
 * Pinned memory was pinned for what was asked then, so it does not become
 * writable; nor does a dma-buf whose descriptor was for reading only. Other
 * memory on demand does; what an access may do is found out when it comes. To
 * refuse writes to memory that is writable is the importer's part.
 *
 * Return: 0, -EACCES it cannot become writable, -EINVAL FLUSH_PERSISTENT asked,
 * -EOPNOTSUPP ON_DEMAND would change.
 */
int ib_umem_peer_rereg(struct ib_umem_peer *peer, int access);

/**
 * ib_umem_peer_add_driver() - the driver's devices reach peer memory
 * @id: as in struct ib_device_ops
 *
 * For programs that ask whether memory can be registered. Such a driver calls
 * ib_umem_peer_get() where ib_umem_get() failed, and for all registrations on
 * demand.
 */
void ib_umem_peer_add_driver(enum rdma_driver_id id);

/**
 * ib_umem_peer_remove_driver() - undoes it; the driver is about to go
 *
 * Its devices have gone. Waits until the works that they have queued on
 * ib_umem_peer_get_workqueues() have returned.
 */
void ib_umem_peer_remove_driver(enum rdma_driver_id id);

#endif
