/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to ib_peer_mem.ko: what its files share. See docs/design.md for the
 * objects.
 *
 * Lock order:
 *   exporter's locks (dma_resv), mmap_lock
 *     umem->pages.xa_lock   page entries, the tree of regions, region->seq and
 *                           ->dead, umem->changes and ->quiet; taken in mmu
 *                           notifiers, so nothing that reclaims memory is done
 *                           under it
 *     peer_reader->lock     held by accesses in flight; never with xa_lock
 *     clients_lock          client->regions, ->killed, ->dying (region.c)
 *     umem->work_lock       faults under way in the background
 */
#ifndef IB_PEER_H
#define IB_PEER_H

#include <linux/jiffies.h>
#include <linux/kobject.h>
#include <linux/refcount.h>
#include <rdma/ib_umem_peer.h>
#include <rdma/peer_mem.h>

#include "hold.h"

/* What a client's directory in sysfs shows; all of them only ever grow. */
enum ib_peer_counter {
	IB_PEER_ALLOC_MRS,
	IB_PEER_DEALLOC_MRS,
	IB_PEER_REG_PAGES,
	IB_PEER_DEREG_PAGES,
	IB_PEER_REG_BYTES,
	IB_PEER_DEREG_BYTES,
	IB_PEER_FREE_CALLBACKS,
	IB_PEER_FAULTS,
	IB_PEER_INVALIDATIONS,
	IB_PEER_NUM_COUNTERS,
};

struct ib_peer_client {
	struct kobject kobj;
	const struct ib_peer_ops *ops;
	void *priv;
	char name[IB_PEER_MEMORY_NAME_MAX];
	char version[IB_PEER_MEMORY_VER_MAX];
	u32 id;
	/* enum ib_peer_ops_flags, and those of the adapters. */
	unsigned int flags;
	/* A refusal is final unless this is set; see peerdirect_claim(). */
	bool ask_others;
	/* It counts its pages by itself: they are not the CPU's. */
	bool counts_pages;
	refcount_t users;
	struct completion unused;
	struct list_head regions;
	struct list_head killed;
	bool dying;
	atomic64_t counters[IB_PEER_NUM_COUNTERS];
};

/* Where the memory is, is known only after pin(). */
#define IB_PEER_PINS BIT(16)

static inline void ib_peer_count(struct ib_peer_client *client,
				 enum ib_peer_counter counter, u64 n)
{
	atomic64_add(n, &client->counters[counter]);
}

/* client.c */
struct ib_peer_client *ib_peer_client_alloc(const char *name,
					    const char *version,
					    const struct ib_peer_ops *ops,
					    void *priv);
int ib_peer_client_add(struct ib_peer_client *client);
struct ib_peer_client *ib_peer_client_next(unsigned long *id);
void ib_peer_client_put(struct ib_peer_client *client);

/* region.c */
int ib_peer_region_init(void);
void ib_peer_region_exit(void);
struct ib_peer_region *ib_peer_region_claim(struct ib_umem_peer *umem,
					    unsigned long start,
					    unsigned long end, bool writable);
int ib_peer_region_pin(struct ib_peer_region *region);
void ib_peer_region_use(struct ib_peer_region *region);
void ib_peer_region_unuse(struct ib_peer_region *region);
void ib_peer_region_kill(struct ib_peer_region *region);
void ib_peer_region_end(struct ib_peer_region *region);
void ib_peer_region_discard(struct ib_peer_region *region);
void ib_peer_region_put(struct ib_peer_region *region);
void ib_peer_client_detach_all(struct ib_peer_client *client);

/* umem_peer.c */
unsigned long ib_umem_peer_first(const struct ib_umem_peer *peer);
unsigned long ib_umem_peer_last(const struct ib_umem_peer *peer);
struct ib_umem_peer *ib_umem_peer_begin_trial(struct ib_device *ibdev,
					      struct mm_struct *mm,
					      unsigned long addr, size_t size,
					      int access, char *name);
int ib_umem_peer_try(struct ib_umem_peer *peer, unsigned long start,
		     unsigned long end, bool writable);
void ib_umem_peer_end_trial(struct ib_umem_peer *peer);
int ib_umem_peer_charge(struct ib_umem_peer *peer);
struct ib_peer_bridge;
int ib_umem_peer_get_bridged(struct ib_device *ibdev, unsigned long addr,
			     size_t size, int access,
			     struct ib_peer_bridge *bridge,
			     struct ib_umem_peer **peer,
			     struct ib_peer_region **region);

/* umem_regions.c */
void ib_umem_peer_kill(struct ib_umem_peer *peer);
bool ib_umem_peer_mark_dead(struct ib_peer_region *region);
void ib_umem_peer_insert(struct ib_peer_region *region);
void ib_umem_peer_forget(struct ib_peer_region *region);
void ib_umem_peer_region_gone(struct ib_umem_peer *peer);
void ib_umem_peer_end_regions(struct ib_umem_peer *peer);
extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_on_demand;
extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_pinned;
extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_export;

/*
 * access.c: is every page of the range there for such an access? Return: 0, -EAGAIN
 * no, or as an access.
 */
int ib_umem_peer_present(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write);

/* fault.c */
enum peer_fault_flags {
	PEER_FAULT_WRITE = BIT(0),	/* for writing */
	PEER_FAULT_SNAPSHOT = BIT(1),	/* what is there already, no more */
};

int ib_umem_peer_populate(struct ib_peer_region *region, unsigned long until);
int ib_umem_peer_fault(struct ib_umem_peer *peer, unsigned long addr,
		       size_t length, unsigned int flags, unsigned long until);
void ib_umem_peer_fault_begins(struct ib_umem_peer *peer);
void ib_umem_peer_fault_ended(struct ib_umem_peer *peer);
void ib_umem_peer_drain_faults(struct ib_umem_peer *peer);

/* fault_work.c */
int ib_umem_peer_fault_wait(struct ib_umem_peer *peer, unsigned long addr,
			    size_t length, unsigned int flags,
			    unsigned long until);
int ib_umem_peer_fault_timeout(struct ib_umem_peer *peer, unsigned long addr,
			       size_t length, unsigned int flags,
			       unsigned long timeout);
void ib_umem_peer_kill_faults(struct ib_umem_peer *peer);
bool ib_umem_peer_is_faulting(struct ib_umem_peer *peer);

/* fault_queue.c */
struct work_struct;
struct ib_peer_queue;
int ib_peer_queue_init(void);
void ib_peer_queue_exit(void);
int ib_umem_peer_get_queue(struct ib_umem_peer *peer);
void ib_umem_peer_put_queue(struct ib_umem_peer *peer);
void ib_peer_queue_flush(void);
void ib_peer_queue_fault(struct ib_peer_queue *queue, struct work_struct *work);
void ib_peer_queue_prefetch(struct ib_peer_queue *queue,
			    struct work_struct *work);

/* cancel.c */

/*
 * struct ib_peer_wait - a task that waits
 * @work:      that it does; NULL: none, so nobody cancels it
 * @cancelled: it waits no longer
 */
struct ib_peer_wait {
	struct hlist_node node;
	struct task_struct *task;
	const struct work_struct *work;
	bool cancelled;
};

void ib_peer_wait_begin(struct ib_peer_wait *wait);
void ib_peer_wait_end(struct ib_peer_wait *wait);

/* dmabuf.c */
int ib_peer_dmabuf_init(void);
void ib_peer_dmabuf_exit(void);

/* export.c */

/*
 * struct ib_peer_export - a range that was made a dma-buf
 * @start:  page aligned, as is @length
 * @over:   the range was unmapped, or the process has ended
 */
struct ib_peer_export {
	struct kref kref;
	struct mm_struct *mm;
	unsigned long start;
	size_t length;
	bool over;
	struct mmu_interval_notifier notifier;
};

struct peer_mem_export;
struct dma_buf *ib_peer_export(const struct peer_mem_export *user);
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf);
void ib_peer_export_put(struct ib_peer_export *export);
int ib_peer_export_try(struct ib_peer_export *export, struct ib_device *ibdev,
		       u64 offset, size_t size, bool writable);

/* watch.c */
int ib_peer_watch(struct mmu_interval_notifier *notifier, struct mm_struct *mm,
		  unsigned long first, unsigned long length,
		  const struct mmu_interval_notifier_ops *ops);

/* Is what is mapped in the range not what was there any more? */
static inline bool ib_peer_mn_unmaps(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_UNMAP ||
	       range->event == MMU_NOTIFY_RELEASE;
}

/* sysfs.c */
int ib_peer_sysfs_init(void);
void ib_peer_sysfs_exit(void);
int ib_peer_sysfs_add(struct ib_peer_client *client);

/* whose.c */

/*
 * struct ib_peer_whose - a process that is asked about, with its references
 * @task: its first thread
 * @mm:   its memory
 */
struct ib_peer_whose {
	struct task_struct *task;
	struct mm_struct *mm;
};

int ib_peer_whose_get(struct ib_peer_whose *whose, pid_t pid);
void ib_peer_whose_put(struct ib_peer_whose *whose);
bool ib_peer_mm_is_abandoned(struct mm_struct *mm);

/* query.c */
struct peer_mem_query;
bool ib_peer_is_importer(const struct ib_device *ibdev);
int ib_peer_query(struct peer_mem_query *user);

/* roll.c */
struct peer_mem_mr;
int ib_umem_peer_enroll(struct ib_umem_peer *peer);
void ib_umem_peer_strike(struct ib_umem_peer *peer);
int ib_peer_next_mr(struct peer_mem_mr *user);

/* node.c */
int ib_peer_node_init(void);
void ib_peer_node_exit(void);

/* peerdirect_device.c */
int ib_peerdirect_device_init(void);
void ib_peerdirect_device_exit(void);

#endif
