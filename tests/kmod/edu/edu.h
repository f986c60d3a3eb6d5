/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Internals of edu_rdma.ko: RDMA devices on the DMA engine of QEMU's "edu"
 * device. They have no queue pairs: /dev/edu_rdma transfers data by key. To the
 * RDMA core they are like drivers of network cards. They know nothing of peer
 * memory.
 *
 * Lock order: edu_lock, resv of a dma-buf, struct edu_engine.lock.
 */
#ifndef EDU_H
#define EDU_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "edu_rdma.h"

/*
 * Maximum bytes of one transfer. The engine's buffer has one byte more, but
 * some versions of QEMU abort when it is full.
 */
#define EDU_PIECE 4095

/**
 * struct edu_engine - moves data between its own buffer and DMA addresses
 * @pdev:       the PCI device
 * @regs:       its registers
 * @lock:       guards the members below
 * @bounce:     buffer for input and output
 * @bounce_dma: its DMA address
 * @broken:     a transfer did not end
 * @transfers:  number of transfers
 */
struct edu_engine {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct mutex lock;	/* guards the members below */
	void *bounce;
	dma_addr_t bounce_dma;
	bool broken;
	u64 transfers;
};

/* @length: up to EDU_PIECE. Return: 0, -EIO, -ETIMEDOUT. */
int edu_engine_write(struct edu_engine *engine, dma_addr_t to,
		     const void *from, size_t length);
int edu_engine_read(struct edu_engine *engine, void *to, dma_addr_t from,
		    size_t length);
int edu_engine_init(struct edu_engine *engine, struct pci_dev *pdev);

struct edu_stats {
	atomic64_t mrs, mappings, unmappings, notifies, revocations, faults;
};

/**
 * struct edu_device - one of the RDMA devices
 * @ib:     the RDMA core's part
 * @engine: the engine, which all devices share
 * @index:  number of the device
 * @mrs:    MRs, by the upper 24 bits of their keys
 * @salt:   for the lower 8 bits, so that a key is not reused soon
 * @stats:  counters
 */
struct edu_device {
	struct ib_device ib;
	struct edu_engine *engine;
	enum edu_rdma_device index;
	struct xarray mrs;
	atomic_t salt;
	struct edu_stats stats;
};

struct edu {
	struct edu_engine engine;
	struct edu_device *devices[EDU_RDMA_DEVICES];
};

/* The only one, or NULL. Guarded by edu_lock. */
extern struct edu *edu_instance;
extern struct rw_semaphore edu_lock;

/**
 * struct edu_mr - a memory region, as the hardware sees it
 * @ib:      the RDMA core's part
 * @dev:     its device
 * @umem:    the registered memory
 * @dmabuf:  NULL: system memory
 * @how:     how @dmabuf was imported
 * @access:  access flags
 * @iova:    start address
 * @key:     lkey and rkey
 * @users:   the registration, and accesses
 * @unused:  completed when @users is 0
 * @count:   number of @pages
 * @pages:   DMA addresses of the pages
 * @valid:   @pages are valid
 * @revoked: access has ended for ever
 * @ending:  deregistration has started; the next callback is no revocation
 *
 * The resv of the dma-buf guards the last four. They never change for system
 * memory.
 */
struct edu_mr {
	struct ib_mr ib;
	struct edu_device *dev;
	struct ib_umem *umem;
	struct ib_umem_dmabuf *dmabuf;
	enum edu_rdma_device how;
	int access;
	u64 iova;
	u32 key;
	refcount_t users;
	struct completion unused;
	size_t count;
	dma_addr_t *pages;
	bool valid;
	bool revoked;
	bool ending;
};

static inline struct edu_device *to_edu_device(struct ib_device *ib)
{
	return container_of(ib, struct edu_device, ib);
}

static inline struct edu_mr *to_edu_mr(struct ib_mr *ib)
{
	return container_of(ib, struct edu_mr, ib);
}

/* Verbs. */
extern const struct ib_device_ops edu_mr_ops;
extern const struct uapi_definition edu_mr_uapi[];

/*
 * Fills the table of an MR. Return: 0, or -EIO if the exporter's list is wrong.
 */
int edu_mr_fill(struct edu_mr *mr);
void edu_mr_invalidate(struct edu_mr *mr);
/* Called before each transfer. Return: see struct edu_rdma_access. */
int edu_mr_ready(struct edu_mr *mr);

int edu_access(struct edu_device *dev, const struct edu_rdma_access *arg);
int edu_kernel_mr(struct edu_device *dev, const struct edu_rdma_kernel_mr *arg);

struct edu_device *edu_device_add(struct edu *edu, enum edu_rdma_device index);
void edu_device_remove(struct edu_device *dev);

int edu_chardev_add(void);
void edu_chardev_remove(void);

#endif
