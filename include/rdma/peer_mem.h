/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for exporters: drivers whose memory RDMA devices may reach.
 *
 * Two forms. The native one (struct ib_peer_ops) is what the core knows. The
 * PeerDirect one (struct peer_memory_client) is source and symbol compatible
 * with what vendors ship; the core serves it through an adapter.
 *
 * Words:
 *   client   a registered exporter
 *   region   one page-aligned range of one process, or of one dma-buf, claimed
 *            from one client on behalf of one memory region (MR) of one RDMA
 *            device
 *   block    a contiguous piece of a region, as it lies somewhere right now
 *   CPU importer  an RDMA device that copies with the CPU (Soft-RoCE)
 *   DMA importer  one that does DMA: any that imports dma-bufs
 *
 * Life of a region:
 *
 *   claim -> [pin] -> fault ... -> [unpin] -> release
 *
 * claim() comes first, release() last, each once. pin() at most once, and
 * unpin() once if and only if pin() succeeded. fault() in between. None of them
 * is called with a lock of the core held; all may sleep; all may run in any
 * task, so they go by region->mm and never by current->mm.
 *
 * Lock order: exporter's locks (dma_resv) -> core's locks. The core calls an
 * exporter with none of its own locks held, and an exporter calls
 * ib_peer_invalidate() and ib_peer_revoke() with its own held.
 */
#ifndef RDMA_PEER_MEM_H
#define RDMA_PEER_MEM_H

#include <linux/interval_tree.h>
#include <linux/iosys-map.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct device;
struct dma_buf;
struct file;
struct ib_device;
struct ib_peer_client;
struct ib_peer_fault;
struct ib_umem_peer;
struct page;
struct pci_dev;

/* ---- native exporters ------------------------------------------------- */

/**
 * struct ib_peer_region - a claimed range
 * @client:   whom it was claimed from
 * @importer: the RDMA device that wants access; NULL: none yet, a claim for
 *            asking only, whether the range may be passed on as a dma-buf
 * @mm:       address space of @start. Valid as a struct until release(), and
 *            alive during claim(); whoever walks it elsewhere needs
 *            mmget_not_zero() first.
 * @dmabuf:   claimed by claim_dmabuf(): what @start is an offset in, and not in
 *            @mm, which is the one that registered. Valid until release(). Else
 *            NULL
 * @start:    first address, page aligned
 * @length:   bytes, page aligned, not 0
 * @dma_device: does the DMA for @importer; NULL: @importer is the CPU
 * @writable: the importer wants to write
 * @priv:     the exporter's; set in claim()
 *
 * All but @priv are set by the core before claim() and constant.
 */
struct ib_peer_region {
	struct ib_peer_client *client;
	struct ib_device *importer;
	struct mm_struct *mm;
	struct dma_buf *dmabuf;
	unsigned long start;
	size_t length;
	struct device *dma_device;
	bool writable;
	void *priv;

	/* private: */
	struct ib_umem_peer *umem;
	struct interval_tree_node span;
	struct list_head node;
	struct list_head drop;
	struct work_struct detach_work;
	struct kref kref;
	refcount_t users;
	unsigned long seq;
	int way;
	bool pinned;
	bool in_tree;
	bool dead;
};

/* Flags of struct ib_peer_block. */
enum ib_peer_block_flags {
	IB_PEER_BLOCK_WRITE = 1 << 0,	/* the importer may write */
};

/**
 * struct ib_peer_block - where a piece of a region is
 * @offset: first byte in the region, page aligned
 * @length: bytes, page aligned
 * @where:  cookie of the exporter, e.g. an offset in its BAR; handed back to
 *          cpu_map() and dma_map()
 * @flags:  enum ib_peer_block_flags
 */
struct ib_peer_block {
	u64 offset;
	u64 length;
	u64 where;
	u32 flags;
};

/* Flags of struct ib_peer_ops. */
enum ib_peer_ops_flags {
	/* Asked after all others, about what is none of theirs. */
	IB_PEER_LAST = 1 << 0,
	/*
	 * Has no pages of its own, but knows them from the page table of the
	 * process: that is what takes them back. A pinned MR ends when one of
	 * its pages leaves the page table, or may not be written any more, but
	 * for mprotect(), which pinned pages never heed.
	 */
	IB_PEER_FOLLOWS = 1 << 1,
	/*
	 * What was pinned stays where it is until unpin(): ib_peer_revoke()
	 * never comes meanwhile. Only such memory is given to RDMA devices that
	 * pin and cannot stop. The exporter's module stays loaded as long.
	 */
	IB_PEER_KEEPS = 1 << 2,
};

/**
 * struct ib_peer_ops - what an exporter offers
 *
 * @flags: enum ib_peer_ops_flags
 *
 * @claim: Is [region->start, +length) of region->mm yours, as a whole, and may
 *         region->importer have it? Comes at registration, in the task that
 *         registers, for a pinned MR; and at the first access to a mapping, or
 *         to an address where the CPU has none, in any task, for one on demand.
 *         Sets region->priv on success and takes whatever references the
 *         region needs; must not take a reference on the exporter's module.
 *         Return: 0 claimed; -ENXIO not mine, the core asks the next client;
 *         -EACCES mine, and refused by policy or by the mapping's permissions;
 *         -EREMOTEIO mine, and region->importer cannot reach it: see
 *         ib_peer_p2p(), or its addresses mean something only to devices on a
 *         link of its own, and this is none of them;
 *         any other -errno mine, and failed. All but -ENXIO end the search and
 *         reach the user.
 *
 * @claim_dmabuf: The same for a range of region->dmabuf: is the dma-buf yours?
 *         Comes at registration, in the task that registers; no other op asks
 *         for pinning then. The range lies in the dma-buf. May be NULL: your
 *         dma-bufs are reached as those of any driver, by dma_buf_vmap(). One of
 *         the two claims must be there.
 *
 * @pin:   From now on the region stays where it is, until unpin() or until the
 *         exporter calls ib_peer_revoke(). May be NULL: pinned MRs refused with
 *         -EOPNOTSUPP. Return: 0, or -errno for the user (-ENOMEM, -ENOSPC...).
 *
 * @unpin: Undoes pin(). Comes also after ib_peer_revoke(), soon and by itself.
 *
 * @fault: Make [offset, offset + length) of the region resident somewhere and
 *         report where by ib_peer_fault_add(), block by block, in any order,
 *         with no gap. More is asked for than is missing, up to 2 MiB; for a DMA
 *         importer the region as a whole.
 *         @write: for writing. Must see the effect of every
 *         ib_peer_invalidate() that the exporter began before: keep one lock of
 *         your own over "invalidate, then move", and over "report".
 *         Return: 0, -EFAULT nothing there, -EACCES no such access, -ENOMEM.
 *
 * @cpu_map: Gives a kernel mapping of a block, valid until the block is
 *         invalidated, revoked or unpinned. Called from ib_peer_fault_add() for
 *         CPU importers, so with what the exporter holds in fault(). Device
 *         memory is given as iomem. Return: 0 or -errno, which
 *         ib_peer_fault_add() passes on.
 *
 * @dma_map: Gives the address by which region->dma_device reaches a block, all
 *         of it. Called from ib_peer_fault_add() for DMA importers, as cpu_map()
 *         is. Such a device may be told to stop by what sleeps, so an exporter
 *         that has this op calls ib_peer_invalidate() and ib_peer_revoke() only
 *         where it may sleep. ib_peer_dma_map() does what most need. NULL: the
 *         memory is for CPU importers only. Return: 0, -EREMOTEIO the device
 *         cannot reach it, -EIO, -ENOMEM.
 *
 * @dma_unmap: Undoes dma_map(), when the device has let go of the block, which
 *         may lie elsewhere by now. Comes from within ib_peer_invalidate(), too,
 *         so it takes no lock that the exporter holds over that. May be NULL.
 *
 * @release: The last call; drop the references of claim().
 */
struct ib_peer_ops {
	unsigned int flags;
	int (*claim)(struct ib_peer_region *region);
	int (*claim_dmabuf)(struct ib_peer_region *region);
	int (*pin)(struct ib_peer_region *region);
	void (*unpin)(struct ib_peer_region *region);
	int (*fault)(struct ib_peer_region *region, u64 offset, u64 length,
		     bool write, struct ib_peer_fault *fault);
	int (*cpu_map)(struct ib_peer_region *region,
		       const struct ib_peer_block *block,
		       struct iosys_map *map);
	int (*dma_map)(struct ib_peer_region *region,
		       const struct ib_peer_block *block, dma_addr_t *addr);
	void (*dma_unmap)(struct ib_peer_region *region,
			  const struct ib_peer_block *block, dma_addr_t addr);
	void (*release)(struct ib_peer_region *region);
};

/**
 * ib_peer_register_client() - become an exporter
 * @name:    at most 63 characters, unique; the directory in sysfs
 * @version: at most 15 characters, shown in sysfs
 * @ops:     must stay valid until unregistered
 * @priv:    for ib_peer_client_priv()
 *
 * Context: may sleep. claim() may be called before this returns.
 * Return: the client, or ERR_PTR of -EINVAL, -EEXIST (name taken), -ENOMEM.
 */
struct ib_peer_client *ib_peer_register_client(const char *name,
					       const char *version,
					       const struct ib_peer_ops *ops,
					       void *priv);

/**
 * ib_peer_unregister_client() - stop being an exporter
 *
 * Revokes every region of the client and waits until unpin() and release() of
 * each have returned; waits for no user and no network peer. The memory
 * regions live on, and answer with errors until they are deregistered.
 *
 * Context: may sleep. Hold nothing that the ops need.
 */
void ib_peer_unregister_client(struct ib_peer_client *client);

/** ib_peer_client_priv() - what was given to ib_peer_register_client() */
void *ib_peer_client_priv(const struct ib_peer_client *client);

/**
 * ib_peer_fault_add() - report a block from within fault()
 *
 * The part of the block outside of what was asked for is ignored.
 * Return: 0, -EINVAL (not page aligned, outside of the region), or what
 * cpu_map() returned.
 */
int ib_peer_fault_add(struct ib_peer_fault *fault,
		      const struct ib_peer_block *block);

/**
 * ib_peer_invalidate() - a range of a region is about to leave its place
 * @offset: in the region, bytes
 * @length: bytes
 *
 * When this returns nobody touches the old place, also where another invalidation
 * of it began before and has not returned. On-demand MRs will call
 * fault() at the next access; a pinned MR is revoked (its pages cannot come
 * back elsewhere).
 *
 * Context: from within claim() on, to the return of release(); any task. Sleeps
 * only for DMA importers; the exporter holds the lock described at fault().
 */
void ib_peer_invalidate(struct ib_peer_region *region, u64 offset, u64 length);

/**
 * ib_peer_revoke() - a region is over
 *
 * When this returns nobody touches the region any more, and nobody ever will;
 * that holds for each caller, if there are several. Accesses fail from now on;
 * the MR's keys stay taken until it is deregistered. unpin() and release() follow
 * soon, from a work item, not waiting for the user.
 *
 * An on-demand MR asks for a new region, by claim(), when the range was unmapped
 * and something is mapped there again; where the CPU has nothing mapped, at the
 * next access.
 *
 * Context: as ib_peer_invalidate(). May be repeated.
 */
void ib_peer_revoke(struct ib_peer_region *region);

/**
 * ib_peer_p2p() - can a device reach memory of another one?
 * @device: does the DMA
 * @owner:  PCI device whose BAR it is
 *
 * They can below a common PCI bridge that does not send their requests upwards,
 * and across a host bridge that is known to pass them: by the kernel (where it
 * has CONFIG_PCI_P2PDMA), as part of an AMD Zen processor, or by the
 * administrator (module parameter p2p_bridges).
 *
 * Return: 0; -EREMOTEIO no, or nobody knows. May be asked again and again.
 */
int ib_peer_p2p(struct device *device, struct pci_dev *owner);

/**
 * ib_peer_dma_map() - dma_map() for memory in a BAR
 * @region: of a DMA importer
 * @owner:  PCI device whose BAR it is
 * @phys:   CPU physical address in that BAR
 * @length: bytes
 * @addr:   gets what region->dma_device calls it
 *
 * Return: 0, -EREMOTEIO as ib_peer_p2p(), -EIO.
 */
int ib_peer_dma_map(struct ib_peer_region *region, struct pci_dev *owner,
		    phys_addr_t phys, size_t length, dma_addr_t *addr);
void ib_peer_dma_unmap(struct ib_peer_region *region, dma_addr_t addr,
		       size_t length);

/**
 * ib_peer_dma_map_pages() - dma_map() for system memory instead
 * @page: the first of pages in a row
 *
 * Return: 0; -EREMOTEIO the device cannot reach these pages themselves, only
 * copies; -EIO.
 */
int ib_peer_dma_map_pages(struct ib_peer_region *region, struct page *page,
			  size_t length, dma_addr_t *addr);
void ib_peer_dma_unmap_pages(struct ib_peer_region *region, dma_addr_t addr,
			     size_t length);

/**
 * ib_peer_find_mapping() - what does a range of addresses map?
 * @mm:     address space; mmap_lock not held
 * @start:  first address, page aligned
 * @length: bytes, page aligned, not 0
 * @write:  must permit writing (else only reading)
 * @ops:    of the exporter's mappings
 * @get:    takes a reference; called with mmap_lock held
 * @offset: where @start lies in the mapped file, in bytes (vm_pgoff counts)
 *
 * For claim(): the exporter's mappings have a reference on what they map in
 * vm_private_data.
 *
 * Return: vm_private_data, after @get; or ERR_PTR of -ENXIO @start is not in a
 * mapping with @ops, -EFAULT the range is not one piece of one thing, -EACCES,
 * -EINTR killed.
 */
void *ib_peer_find_mapping(struct mm_struct *mm, unsigned long start,
			   size_t length, bool write,
			   const struct vm_operations_struct *ops,
			   void (*get)(void *private_data), u64 *offset);

/**
 * ib_peer_unmapped_area() - a place for a mapping of an exporter's memory
 * @filp:   what is mapped
 * @addr:   wanted address, or 0
 * @length: bytes, page aligned
 * @offset: of its first byte, from where the memory's blocks are aligned
 * @flags:  of mmap()
 *
 * For get_unmapped_area() of file operations. With mappings that are aligned as
 * the memory is, registrations take less room and time. Wishes of the process
 * come first.
 *
 * Return: the address, or -errno.
 */
unsigned long ib_peer_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, u64 offset,
				    unsigned long flags);

/* ---- PeerDirect exporters --------------------------------------------- */

#define IB_PEER_MEMORY_NAME_MAX 64
#define IB_PEER_MEMORY_VER_MAX 16
#define PEER_MEM_U64_CORE_CONTEXT

/**
 * struct peer_memory_client - a PeerDirect exporter; layout is ABI
 *
 * @name:    at most 63 characters
 * @version: at most 14 characters. A last byte (version[15]) that is not 0 says
 *           that the struct is part of a struct peer_memory_client_ex.
 * @acquire: Is all of [addr, addr + size) of current->mm yours? The private
 *           arguments are NULL. Returns 1 (or more) for yes, and then release()
 *           follows; 0 for no; -ERRNO for no, too: the others are asked, and if
 *           it is nobody's that error reaches the user.
 * @get_pages: Pin. write is 1; force is 1 if the importer only reads; sg_head
 *           is NULL. core_context is what the invalidate callback wants. May be
 *           followed by that callback at any time from then on.
 * @dma_map: Allocate and fill the sg_table with addresses for dma_device; each
 *           entry starts and ends on a page; *nmap entries count. Struct pages
 *           are neither needed nor looked at.
 * @dma_unmap: Undo dma_map(); gets the very sg_table dma_map() left.
 * @put_pages: Undo get_pages(); same.
 * @get_page_size: Optional here. Asked once, after dma_map(); the list is not
 *           read any more when the next call comes.
 * @release: Optional here. Undo acquire().
 *
 * acquire(), get_pages(), dma_map(), dma_unmap() and put_pages() are mandatory.
 * Calls to one client may run side by side, but for one acquired range they
 * come one after the other and in this order. No lock of the core is held.
 */
struct peer_memory_client {
	char name[IB_PEER_MEMORY_NAME_MAX];
	char version[IB_PEER_MEMORY_VER_MAX];
	int (*acquire)(unsigned long addr, size_t size,
		       void *peer_mem_private_data, char *peer_mem_name,
		       void **client_context);
	int (*get_pages)(unsigned long addr, size_t size, int write, int force,
			 struct sg_table *sg_head, void *client_context,
			 u64 core_context);
	int (*dma_map)(struct sg_table *sg_head, void *client_context,
		       struct device *dma_device, int dmasync, int *nmap);
	int (*dma_unmap)(struct sg_table *sg_head, void *client_context,
			 struct device *dma_device);
	void (*put_pages)(struct sg_table *sg_head, void *client_context);
	unsigned long (*get_page_size)(void *client_context);
	void (*release)(void *client_context);
};

enum {
	/* The client unmaps by itself after the invalidate callback returns. */
	PEER_MEM_INVALIDATE_UNMAPS = 1 << 0,
};

/**
 * struct peer_memory_client_ex - the same with flags
 * @client:  client.version[15] must not be 0
 * @ex_size: sizeof this struct
 * @flags:   PEER_MEM_INVALIDATE_UNMAPS or 0
 */
struct peer_memory_client_ex {
	struct peer_memory_client client;
	size_t ex_size;
	u32 flags;
};

/**
 * typedef invalidate_peer_memory - what the core gives an invalidating client
 * @reg_handle:   from ib_register_peer_memory_client()
 * @core_context: from get_pages()
 *
 * When it returns nobody touches the range any more. A client without
 * PEER_MEM_INVALIDATE_UNMAPS has had its dma_unmap() and put_pages() called,
 * from within or by another thread; one with the flag undoes both by itself
 * afterwards, and has its context until then: release() comes when the memory
 * region is deregistered, or on demand at the next access. May sleep. Unknown
 * contexts are fine, and so are handles of clients that left.
 * Return: 0, always.
 */
typedef int (*invalidate_peer_memory)(void *reg_handle, u64 core_context);

/**
 * ib_register_peer_memory_client() - become a PeerDirect exporter
 * @peer_client: must stay valid until unregistered
 * @invalidate_callback: where the core stores its function for the client to
 *                       call; NULL: this client never invalidates
 *
 * Return: a handle, or NULL on any failure.
 */
void *ib_register_peer_memory_client(const struct peer_memory_client *peer_client,
				     invalidate_peer_memory *invalidate_callback);

/**
 * ib_unregister_peer_memory_client() - stop being one
 *
 * As ib_peer_unregister_client(): dma_unmap(), put_pages() and release() of all
 * ranges have returned when this returns, and no user was waited for.
 */
void ib_unregister_peer_memory_client(void *reg_handle);

#endif
