/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to ib_peer_mem.ko: clients, regions, and what they share.
 *
 * Who keeps whom alive:
 *   a region is owned by its umem and freed with it; it holds a reference of
 *   its client until it is detached, that is until unpin() and release() of the
 *   exporter have returned. Whoever takes the region off client->regions does
 *   the detaching; everybody else who needs it done waits for
 *   region->detached. A detached region must not follow region->client.
 *
 * Lock order:
 *   exporter's locks (dma_resv), mmap_lock
 *     ib_peer_regions_lock   client->regions, client->dying, umem->region
 *     umem->pages.xa_lock    page entries, region->seq
 *       umem->guard[]        held by accesses in flight
 * The two in the middle are never held together.
 */
#ifndef IB_PEER_H
#define IB_PEER_H

#include <linux/kobject.h>
#include <linux/refcount.h>
#include <rdma/ib_umem_peer.h>
#include <rdma/peer_mem.h>

/* What a client's directory in sysfs shows; all of them only ever grow. */
enum ib_peer_counter {
	IB_PEER_ALLOC_MRS,
	IB_PEER_DEALLOC_MRS,
	IB_PEER_REG_PAGES,
	IB_PEER_DEREG_PAGES,
	IB_PEER_REG_BYTES,
	IB_PEER_DEREG_BYTES,
	IB_PEER_FREE_CALLBACKS,
	IB_PEER_NUM_COUNTERS,
};

struct ib_peer_client {
	struct kobject kobj;
	const struct ib_peer_ops *ops;
	void *priv;
	char name[IB_PEER_MEMORY_NAME_MAX];
	char version[IB_PEER_MEMORY_VER_MAX];
	u32 id;
	/* A refusal is final unless this is set; see peerdirect_claim(). */
	bool ask_others;
	refcount_t users;
	struct completion unused;
	struct list_head regions;
	bool dying;
	atomic64_t counters[IB_PEER_NUM_COUNTERS];
};

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
struct ib_peer_region *ib_peer_region_claim(struct ib_umem_peer *umem);
int ib_peer_region_pin(struct ib_peer_region *region);
int ib_peer_region_publish(struct ib_peer_region *region);
void ib_peer_region_abort(struct ib_peer_region *region);
void ib_peer_region_detach_later(struct ib_umem_peer *umem);
void ib_peer_region_end(struct ib_peer_region *region);
void ib_peer_client_detach_all(struct ib_peer_client *client);

/* umem_peer.c */
void ib_umem_peer_kill(struct ib_umem_peer *umem);

/* fault.c: the page table's entries */
#define PEER_PTE_WRITE	BIT(1)
#define PEER_PTE_IOMEM	BIT(2)

/* An xarray value: a page-aligned kernel address, and flags below it. */
static inline void *peer_pte_to_entry(unsigned long pte)
{
	return xa_mk_value(pte >> 1);
}

static inline unsigned long peer_entry_to_pte(const void *entry)
{
	return entry ? xa_to_value(entry) << 1 : 0;
}

int ib_umem_peer_populate(struct ib_peer_region *region, u64 offset,
			  u64 length, bool write);

/* sysfs.c */
int ib_peer_sysfs_init(void);
void ib_peer_sysfs_exit(void);
int ib_peer_sysfs_add(struct ib_peer_client *client);

/* peerdirect.c */
int ib_peerdirect_init(void);
void ib_peerdirect_exit(void);

#endif
