/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kernel API for exporters: drivers whose memory RDMA devices may access.
 *
 * There are two forms. The core implements the native one (struct
 * ib_peer_ops). The PeerDirect one (struct peer_memory_client) is source and
 * symbol compatible with vendors' clients; an adapter implements it.
 *
 * Terms:
 *   exporter      a driver that has registered
 *   region        a page-aligned range of one process, or of one dma-buf,
 *                 claimed from one exporter for one memory region (MR) of one
 *                 RDMA device
 *   block         a contiguous part of a region at its present location
 *   CPU importer  an RDMA device that copies with the CPU (Soft-RoCE)
 *   DMA importer  an RDMA device that does DMA and imports dma-bufs
 *
 * Life of a region:
 *
 *   claim -> [pin] -> fault ... -> [unpin] -> release
 *
 * claim() is called first and release() last, each once; pin() at most once;
 * unpin() once if pin() has succeeded; fault() in between. All may sleep, and
 * may run in any task, so they use region->mm and never current->mm.
 *
 * Lock order: exporter's locks (dma_resv), then the core's. The core calls an
 * exporter with none of its own locks held. An exporter calls
 * ib_peer_invalidate() and ib_peer_revoke() with its own lock held.
 */
#ifndef RDMA_PEER_MEM_H
#define RDMA_PEER_MEM_H

#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/interval_tree.h>
#include <linux/iosys-map.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct device;
struct dma_buf;
struct dma_buf_attachment;
struct file;
struct ib_device;
struct ib_peer_exporter;
struct ib_peer_fault;
struct ib_umem_peer;
struct page;
struct pci_dev;

/* ---- native exporters ------------------------------------------------- */

/**
 * struct ib_peer_region - a claimed range
 * @exporter: the exporter that is asked, or has claimed it
 * @importer: the RDMA device that wants access; NULL: another DMA device, or with
 *            @dma_device NULL none yet: the claim only asks whether the range may
 *            be exported as a dma-buf
 * @mm:       address space of @start. The struct is valid until release(). It
 *            is alive during claim(); elsewhere mmget_not_zero() comes first.
 * @dmabuf:   for claim_dmabuf(): @start is an offset in it, not in @mm, which
 *            is the registering process's. Valid until release(). Otherwise
 *            NULL
 * @start:    first address, page aligned
 * @length:   bytes, page aligned, not 0
 * @dma_device: does the DMA for @importer; NULL: a CPU importer
 * @writable: the importer wants to write
 * @priv:     for the exporter; set in claim()
 *
 * The core sets all except @priv before claim(). They are constant.
 */
struct ib_peer_region {
	struct ib_peer_exporter *exporter;
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
	int p2p_route;
	bool pinned;
	bool in_tree;
	bool dead;
};

/**
 * enum ib_peer_block_flags - flags of struct ib_peer_block
 * @IB_PEER_BLOCK_WRITE: the importer may write
 * @IB_PEER_BLOCK_REGISTERS: accesses have side effects, and not every width is
 *   possible. A CPU importer accesses only aligned words of 4 bytes; all other
 *   accesses fail, and a FLUSH reads nothing
 */
enum ib_peer_block_flags {
	IB_PEER_BLOCK_WRITE = 1 << 0,
	IB_PEER_BLOCK_REGISTERS = 1 << 1,
};

/**
 * struct ib_peer_block - a contiguous part of a region
 * @offset: first byte in the region, page aligned
 * @length: bytes, page aligned
 * @where:  cookie of the exporter, such as an offset in its BAR; passed to
 *          cpu_map() and dma_map()
 * @flags:  enum ib_peer_block_flags
 */
struct ib_peer_block {
	u64 offset;
	u64 length;
	u64 where;
	u32 flags;
};

/**
 * enum ib_peer_ops_flags - flags of struct ib_peer_ops
 */
enum ib_peer_ops_flags {
	/**
	 * @IB_PEER_FALLBACK: Asked after all other exporters, if none of them
	 * owns the range.
	 */
	IB_PEER_FALLBACK = 1 << 0,
	/**
	 * @IB_PEER_MMU_TRACKED: Has no pages of its own, but finds them in the
	 * CPU page table, which also invalidates them. A pinned MR is revoked
	 * when one of its pages leaves the page table or becomes read-only,
	 * except by mprotect(), which does not affect pinned pages.
	 */
	IB_PEER_MMU_TRACKED = 1 << 1,
	/**
	 * @IB_PEER_PIN_PERMANENT: Pinned memory stays in place until unpin():
	 * ib_peer_revoke() is never called while it is pinned. Only such memory
	 * is given to non-revocable importers. The exporter's module stays
	 * loaded meanwhile.
	 */
	IB_PEER_PIN_PERMANENT = 1 << 2,
};

/**
 * struct ib_peer_ops - the operations of an exporter
 *
 * @flags: enum ib_peer_ops_flags
 *
 * @claim: Do you own all of [region->start, +length) of region->mm, and may
 *         region->importer use it? Called at registration of a pinned MR, in
 *         the registering task; and for an on-demand MR at the first access
 *         to a mapping, or to an address without a CPU mapping, in any task.
 *         Sets region->priv on success and takes the references that the
 *         region needs, but none on the exporter's module. Returns 0 claimed;
 *         -ENXIO not mine, the core asks the next exporter; -EACCES mine, and
 *         denied by policy or by the mapping; -EREMOTEIO mine, and
 *         region->importer cannot reach it (see ib_peer_p2p()), or its
 *         addresses are valid only on a private link that region->importer is
 *         not on; any other -errno mine, and failed. Every error except
 *         -ENXIO ends the search and reaches the user.
 *
 * @claim_dmabuf: The same for a range of region->dmabuf. Called at
 *                registration, in the registering task. Such a region is
 *                never pinned. May be NULL: your dma-bufs are then accessed
 *                with dma_buf_vmap(), as those of any driver. One of the two
 *                claims is mandatory.
 *
 * @pin: Keep the region in place until unpin(), or until you call
 *       ib_peer_revoke(). May be NULL: pinned MRs fail with -EOPNOTSUPP.
 *       Returns 0, or -errno for the user (-ENOMEM, -ENOSPC, ...).
 *
 * @unpin: Undo pin(). Also called soon after ib_peer_revoke(), by the core.
 *
 * @fault: Make [offset, offset + length) of the region resident and report
 *         its blocks with ib_peer_fault_add(), in any order, without gaps.
 *         The range is larger than what is missing, up to 2 MiB; for a DMA
 *         importer it is the whole region. @write: for writing. Must see the
 *         effect of every ib_peer_invalidate() that began before: hold one
 *         lock of yours over "invalidate, then move", and over "report".
 *         Returns 0; -EFAULT nothing there; -EACCES no such access; -ENOMEM.
 *
 * @cpu_map: Return a kernel mapping of a block in @map, valid until the block
 *           is invalidated, revoked or unpinned. Device memory is iomem.
 *           Called by ib_peer_fault_add() for CPU importers, with the locks
 *           that you hold in fault(). Returns 0 or -errno, which
 *           ib_peer_fault_add() passes on.
 *
 * @dma_map: Return the DMA address of a block for region->dma_device. Called
 *           by ib_peer_fault_add() for DMA importers, as cpu_map(). Stopping
 *           such a device may sleep, so an exporter with this op calls
 *           ib_peer_invalidate() and ib_peer_revoke() only where it may
 *           sleep. ib_peer_dma_map() implements the usual case. NULL: CPU
 *           importers only. Returns 0; -EREMOTEIO the device cannot reach it;
 *           -EIO; -ENOMEM.
 *
 * @dma_unmap: Undo dma_map(), after the device has stopped using the block,
 *             which may have moved. Also called inside ib_peer_invalidate(),
 *             so it takes no lock that you hold over that. May be NULL.
 *
 * @release: The last call. Drop the references of claim().
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
 * ib_peer_register_exporter() - register an exporter
 * @name:    at most 63 characters, unique; its directory in sysfs
 * @version: at most 15 characters, shown in sysfs
 * @ops:     valid until unregistered
 * @priv:    for ib_peer_exporter_priv()
 *
 * Context: may sleep. claim() may be called before this returns.
 * Return: the exporter, or ERR_PTR of -EINVAL (name, version or ops), -EEXIST
 * (name in use), -ENOMEM.
 */
struct ib_peer_exporter *ib_peer_register_exporter(const char *name,
						   const char *version,
					       const struct ib_peer_ops *ops,
					       void *priv);

/**
 * ib_peer_unregister_exporter() - unregister an exporter
 * @exporter: from ib_peer_register_exporter()
 *
 * Revokes every region of the exporter and waits until unpin() and release()
 * of each have returned. Waits for no user and no network peer. The MRs live
 * on, and fail accesses until they are deregistered.
 *
 * Context: may sleep. Hold no lock that the ops take.
 */
void ib_peer_unregister_exporter(struct ib_peer_exporter *exporter);

/**
 * ib_peer_exporter_priv() - get the private pointer of an exporter
 * @exporter: from ib_peer_register_exporter()
 *
 * Return: what was passed to ib_peer_register_exporter().
 */
void *ib_peer_exporter_priv(const struct ib_peer_exporter *exporter);

/**
 * ib_peer_fault_add() - report a block in fault()
 * @fault: from fault()
 * @block: a block of the region
 *
 * Ignores the part of the block outside of the requested range.
 *
 * Return: 0; -EINVAL not page aligned, or outside of the region; or the error
 * of cpu_map() or dma_map().
 */
int ib_peer_fault_add(struct ib_peer_fault *fault,
		      const struct ib_peer_block *block);

/**
 * ib_peer_invalidate() - invalidate a range before it moves
 * @region: of the exporter
 * @offset: in the region, bytes
 * @length: bytes
 *
 * When it returns, no access uses the old location, also if another
 * invalidation of it began earlier and has not returned. On-demand MRs call
 * fault() at the next access. A pinned MR is revoked, since its pages cannot
 * move.
 *
 * Context: from claim() to the return of release(); any task. Sleeps only for
 * DMA importers. The exporter holds the lock described at fault().
 */
void ib_peer_invalidate(struct ib_peer_region *region, u64 offset, u64 length);

/**
 * ib_peer_revoke() - end all access to a region
 * @region: of the exporter
 *
 * When it returns, no access uses the region, and none ever will; also if
 * another caller began earlier. Accesses fail from now on. The keys of the MR
 * stay allocated until deregistration. A work item calls unpin() and
 * release() soon, without waiting for the user.
 *
 * An on-demand MR claims a new region when the range is unmapped and mapped
 * again; where the CPU has no mapping, at the next access.
 *
 * Context: as ib_peer_invalidate(). May be repeated.
 */
void ib_peer_revoke(struct ib_peer_region *region);

/**
 * ib_peer_p2p() - check whether a device reaches memory of another one
 * @device: does the DMA
 * @owner:  PCI device whose BAR it is
 *
 * It does below a common PCI switch that does not redirect requests upstream,
 * and across a host bridge that is known to forward them: listed by the
 * kernel (with CONFIG_PCI_P2PDMA), part of an AMD Zen processor, or listed by
 * the administrator (module parameter p2p_bridges).
 *
 * Return: 0; -EREMOTEIO no P2P route is known.
 */
int ib_peer_p2p(struct device *device, struct pci_dev *owner);

/**
 * ib_peer_dma_map() - implement dma_map() for memory in a BAR
 * @region: of a DMA importer
 * @owner:  PCI device whose BAR it is
 * @phys:   CPU physical address in that BAR
 * @length: bytes
 * @addr:   receives the DMA address for region->dma_device
 *
 * Return: 0; -EREMOTEIO as ib_peer_p2p(); -EIO.
 */
int ib_peer_dma_map(struct ib_peer_region *region, struct pci_dev *owner,
		    phys_addr_t phys, size_t length, dma_addr_t *addr);

/**
 * ib_peer_dma_unmap() - implement dma_unmap() for memory in a BAR
 * @region: of a DMA importer
 * @addr:   from ib_peer_dma_map()
 * @length: bytes
 */
void ib_peer_dma_unmap(struct ib_peer_region *region, dma_addr_t addr,
		       size_t length);

/**
 * ib_peer_dma_map_pages() - implement dma_map() for system memory
 * @region: of a DMA importer
 * @page:   the first of contiguous pages
 * @length: bytes
 * @addr:   receives the DMA address for region->dma_device
 *
 * Return: 0; -EREMOTEIO the device can only reach a bounce buffer; -EIO.
 */
int ib_peer_dma_map_pages(struct ib_peer_region *region, struct page *page,
			  size_t length, dma_addr_t *addr);

/**
 * ib_peer_dma_unmap_pages() - implement dma_unmap() for system memory
 * @region: of a DMA importer
 * @addr:   from ib_peer_dma_map_pages()
 * @length: bytes
 */
void ib_peer_dma_unmap_pages(struct ib_peer_region *region, dma_addr_t addr,
			     size_t length);

/**
 * ib_peer_find_mapping() - find what the exporter has mapped at an address
 * @mm:     address space; mmap_lock not held
 * @start:  first address, page aligned
 * @length: bytes, page aligned, not 0
 * @write:  the mapping must permit writing, otherwise reading
 * @ops:    vm_ops of the exporter's mappings
 * @get:    takes a reference; called with mmap_lock held
 * @offset: receives the offset of @start in the mapped file, in bytes (from
 *          vm_pgoff)
 *
 * For claim(). The exporter's mappings hold a reference to what they map in
 * vm_private_data.
 *
 * Return: vm_private_data, after @get; or ERR_PTR of -ENXIO @start is not in
 * a mapping with @ops, -EFAULT the range is not one contiguous object,
 * -EACCES, -EINTR the task is being killed.
 */
void *ib_peer_find_mapping(struct mm_struct *mm, unsigned long start,
			   size_t length, bool write,
			   const struct vm_operations_struct *ops,
			   void (*get)(void *private_data), u64 *offset);

/**
 * ib_peer_unmapped_area() - choose an aligned address for a mapping
 * @filp:   the file that is mapped
 * @addr:   requested address, or 0
 * @length: bytes, page aligned
 * @offset: offset of the first byte in the memory, from where its blocks are
 *          aligned
 * @flags:  of mmap()
 *
 * For get_unmapped_area() of file operations. If mappings are aligned as the
 * memory is, registrations need less time and memory. A requested address
 * comes first.
 *
 * Return: the address, or -errno.
 */
unsigned long ib_peer_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, u64 offset,
				    unsigned long flags);

/* ---- dma-bufs of exporters -------------------------------------------- */

/**
 * struct ib_peer_dmabuf - lets DMA devices attach to a dma-buf of an exporter
 * @resv: for dma_buf_export()
 *
 * An exporter that claims its dma-bufs (claim_dmabuf()) has one for each, and passes
 * @resv to dma_buf_export(). It never holds this lock itself. Its dma_buf_ops call the
 * functions below: attach() and detach(), pin(), unpin(), map_dma_buf(),
 * unmap_dma_buf(). Each device that attaches gets a region of the whole dma-buf, with
 * @importer NULL unless it is an RDMA device, and is stopped by ib_peer_invalidate() and
 * ib_peer_revoke() as any DMA importer.
 */
struct ib_peer_dmabuf {
	struct dma_resv resv;

	/* private: */
	wait_queue_head_t changed;
	atomic_t pending_moves;
};

/**
 * ib_peer_dmabuf_init() - initialize
 * @share: zeroed memory of the exporter, which outlives the dma-buf
 */
void ib_peer_dmabuf_init(struct ib_peer_dmabuf *share);

/**
 * ib_peer_dmabuf_fini() - undo ib_peer_dmabuf_init()
 * @share: its dma-buf was released, or never created
 */
void ib_peer_dmabuf_fini(struct ib_peer_dmabuf *share);

/**
 * ib_peer_dmabuf_attach() - implement the attach op
 * @share:  of the dma-buf
 * @dmabuf: the dma-buf
 * @attach: the new attachment; its priv is used from now on
 *
 * The importer must follow moves (dma_buf_dynamic_attach()) and must not need struct
 * pages (allow_peer2peer). A driver that pins can attach if it can be revoked, or if the
 * exporter has IB_PEER_PIN_PERMANENT.
 *
 * Return: 0; -EOPNOTSUPP no such importer, or not in a process; -EACCES the dma-buf is
 * read-only; -ENOMEM; or the error of claim_dmabuf(), pin() or fault().
 */
int ib_peer_dmabuf_attach(struct ib_peer_dmabuf *share, struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach);

/**
 * ib_peer_dmabuf_detach() - implement the detach op
 * @dmabuf: the dma-buf
 * @attach: from ib_peer_dmabuf_attach()
 *
 * Waits for calls into the exporter, never for a user.
 */
void ib_peer_dmabuf_detach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach);

/**
 * ib_peer_dmabuf_pin() - implement the pin op
 * @attach: from ib_peer_dmabuf_attach()
 *
 * A driver that needs pinned memory got it when it attached.
 *
 * Return: 0; negative: the region is not pinned.
 */
int ib_peer_dmabuf_pin(struct dma_buf_attachment *attach);

/**
 * ib_peer_dmabuf_unpin() - implement the unpin op
 * @attach: from ib_peer_dmabuf_attach()
 */
void ib_peer_dmabuf_unpin(struct dma_buf_attachment *attach);

/**
 * ib_peer_dmabuf_map() - implement the map_dma_buf op
 * @attach: from ib_peer_dmabuf_attach()
 * @dir:    ignored: mapped for both directions
 *
 * Calls fault() of the exporter, in a worker.
 *
 * Return: DMA addresses without pages; or ERR_PTR of -EAGAIN the memory is moving, map
 * again after unlocking resv; -EFAULT revoked; or the error of fault(). A fatal signal
 * ends the wait.
 */
struct sg_table *ib_peer_dmabuf_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir);

/**
 * ib_peer_dmabuf_unmap() - implement the unmap_dma_buf op
 * @attach: from ib_peer_dmabuf_attach()
 * @table:  from ib_peer_dmabuf_map()
 * @dir:    ignored
 */
void ib_peer_dmabuf_unmap(struct dma_buf_attachment *attach,
			  struct sg_table *table, enum dma_data_direction dir);

/* ---- PeerDirect clients ---------------------------------------------- */

#define IB_PEER_MEMORY_NAME_MAX 64
#define IB_PEER_MEMORY_VER_MAX 16
#define PEER_MEM_U64_CORE_CONTEXT

/**
 * struct peer_memory_client - a PeerDirect client; the layout is ABI
 * @name:    at most 63 characters
 * @version: at most 14 characters. If the last byte (version[15]) is not 0,
 *           the struct is part of a struct peer_memory_client_ex.
 * @acquire: Does the client own all of [addr, addr + size) of current->mm?
 *           The private arguments are NULL. Returns 1 (or more) for yes; then
 *           release() follows. Returns 0 for no, and -ERRNO also for no:
 *           other clients are asked, and if none owns the range, this error
 *           reaches the user.
 * @get_pages: Pin. write is 1; force is 1 if the importer only reads; sg_head
 *             is NULL. core_context is the argument of the invalidate
 *             callback, which may be called at any time from now on.
 * @dma_map: Allocate and fill the sg_table with addresses for dma_device.
 *           Each entry starts and ends at a page boundary; @nmap entries are
 *           valid. Struct pages are not used.
 * @dma_unmap: Undo dma_map(); gets exactly the sg_table that dma_map() left.
 * @put_pages: Undo get_pages(); same.
 * @get_page_size: Optional. Called once, after dma_map(). The list is not
 *                 read after the next call.
 * @release: Optional. Undo acquire().
 *
 * acquire(), get_pages(), dma_map(), dma_unmap() and put_pages() are
 * mandatory. Calls to one client may run concurrently; for one acquired range
 * they are sequential and in this order. No lock of the core is held.
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
	/*
	 * The client unmaps by itself after the invalidate callback has
	 * returned.
	 */
	PEER_MEM_INVALIDATE_UNMAPS = 1 << 0,
};

/**
 * struct peer_memory_client_ex - a PeerDirect client with flags
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
 * typedef invalidate_peer_memory - invalidate a range of a PeerDirect client
 * @reg_handle:   from ib_register_peer_memory_client()
 * @core_context: from get_pages()
 *
 * When it returns, no access uses the range. For a client without
 * PEER_MEM_INVALIDATE_UNMAPS, dma_unmap() and put_pages() have been called,
 * within the callback or by another thread. A client with the flag undoes
 * both by itself afterwards; it has its context until release(), which is
 * called when the MR is deregistered, or on demand at the next access.
 * Unknown contexts, and handles of clients that have unregistered, are
 * ignored.
 *
 * Context: may sleep.
 * Return: 0, always.
 */
typedef int (*invalidate_peer_memory)(void *reg_handle, u64 core_context);

/**
 * ib_register_peer_memory_client() - register a PeerDirect client
 * @peer_client: valid until unregistered
 * @invalidate_callback: receives the function that the client calls to
 *                       invalidate; NULL: the client never invalidates
 *
 * Context: may sleep.
 * Return: a handle, or NULL on any failure.
 */
void *ib_register_peer_memory_client(const struct peer_memory_client *peer_client,
				     invalidate_peer_memory *invalidate_callback);

/**
 * ib_unregister_peer_memory_client() - unregister a PeerDirect client
 * @reg_handle: from ib_register_peer_memory_client()
 *
 * As ib_peer_unregister_exporter(): when it returns, dma_unmap(), put_pages()
 * and release() of all ranges have returned. Waits for no user.
 *
 * Context: may sleep.
 */
void ib_unregister_peer_memory_client(void *reg_handle);

#endif
