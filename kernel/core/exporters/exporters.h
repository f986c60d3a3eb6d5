/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The registry of exporters, shared by the rooms of the core.
 *
 * exporters/ is the ground floor: it calls no other room.
 */
#ifndef IB_PEER_EXPORTERS_H
#define IB_PEER_EXPORTERS_H

#include <linux/completion.h>
#include <linux/kobject.h>
#include <linux/refcount.h>
#include <rdma/peer_mem.h>

/* The counters in the exporter's sysfs directory. They only increase. */
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

struct ib_peer_exporter {
	struct kobject kobj;
	const struct ib_peer_ops *ops;
	void *priv;
	char name[IB_PEER_MEMORY_NAME_MAX];
	char version[IB_PEER_MEMORY_VER_MAX];
	u32 id;
	/* enum ib_peer_ops_flags, and IB_PEER_PIN_FIRST */
	unsigned int flags;
	/* an error of claim() is final unless this is set; see pd_claim() */
	bool try_next_on_error;
	/* counts pages itself, since its page size is not the CPU's */
	bool counts_own_pages;
	refcount_t users;
	struct completion unused;
	struct list_head regions;
	struct list_head killed;
	bool dying;
	atomic64_t counters[IB_PEER_NUM_COUNTERS];
};

/* The location of the memory is known only after pin(). */
#define IB_PEER_PIN_FIRST BIT(16)

static inline void ib_peer_count(struct ib_peer_exporter *exporter,
				 enum ib_peer_counter counter, u64 n)
{
	atomic64_add(n, &exporter->counters[counter]);
}

struct ib_peer_exporter *ib_peer_exporter_alloc(const char *name,
						const char *version,
					    const struct ib_peer_ops *ops,
					    void *priv);
int ib_peer_exporter_add(struct ib_peer_exporter *exporter);
struct ib_peer_exporter *ib_peer_exporter_next(unsigned long *id);
void ib_peer_exporter_put(struct ib_peer_exporter *exporter);
void ib_peer_exporter_unpublish(struct ib_peer_exporter *exporter);
void ib_peer_exporter_free(struct ib_peer_exporter *exporter);

/* sysfs.c */
int ib_peer_sysfs_init(void);
void ib_peer_sysfs_exit(void);
int ib_peer_sysfs_add(struct ib_peer_exporter *exporter);

#endif
