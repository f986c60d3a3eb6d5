/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to peer_maps.ko: mappings of device memory that other drivers made, as
 * peer memory. See docs/mappings.md.
 *
 * What a process may reach is what its page table says, and as long as it does:
 * nothing is pinned, no page is referred to, the driver is not asked. That it
 * takes a page back, the mmu notifier of the core tells.
 *
 * Lock order:
 *   mmap_lock, a device's lock
 *     maps_policy_lock    what is allowed, and which regions there are by it
 *   maps->lock            kernel mappings of one region
 * The core's locks come after all of them. Other drivers are called (by a fault)
 * with none but mmap_lock held.
 */
#ifndef MAPS_PRIV_H
#define MAPS_PRIV_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/types.h>
#include <rdma/peer_mem.h>

struct file;
struct path;
struct pci_dev;

/*
 * struct maps_entry - something that the administrator allows
 * @node: in the list of all
 * @kind: what is meant by @device, @path, or, of drivers, @name
 * @name: in @spec, behind the kind
 * @spec: as it was written
 */
struct maps_entry {
	struct list_head node;
	enum maps_kind { MAPS_DRIVER, MAPS_FILE, MAPS_CHARDEV } kind;
	union {
		struct path *path;
		dev_t device;
	};
	const char *name;
	char spec[];
};

/*
 * struct maps_region - what is known of a region
 * @node:    in the list of those that @entry allows
 * @entry:   by which it was claimed; NULL: taken back. Under maps_policy_lock, as
 *           @node and @device are
 * @device:  that its memory is part of, if it is a device's
 * @pinned:  nobody uses a page before all are there
 * @lock:    covers the rest
 * @windows: kernel mappings, by address in the process
 * @run:     what is being reported
 */
struct maps_region {
	struct ib_peer_region *region;
	struct list_head node;
	const struct maps_entry *entry;
	struct pci_dev *device;
	bool pinned;
	struct mutex lock; /* see above */
	struct rb_root_cached windows;
	const struct maps_run *run;
};

/*
 * struct maps_run - pages of a process that lie side by side
 * @start:    first address in the process
 * @end:      behind the last
 * @there:    there are such pages; else a gap
 * @writable: by the process
 * @ram:      system memory, a driver's; else a device's
 * @phys:     where they lie
 * @prot:     how the process has them mapped, but for rights
 * @folder:   that the mapped file is in, if it is of sysfs: for comparing only
 */
struct maps_run {
	unsigned long start;
	unsigned long end;
	bool there;
	bool writable;
	bool ram;
	phys_addr_t phys;
	pgprot_t prot;
	const void *folder;
};

static inline size_t maps_run_size(const struct maps_run *run)
{
	return run->end - run->start;
}

/* maps_policy.c */
bool maps_policy_is_empty(void);
void maps_policy_add(struct maps_entry *entry);
int maps_policy_remove(const char *spec);
void maps_policy_remove_all(void);
int maps_policy_list(char *buffer, size_t size);
int maps_policy_claim_file(struct maps_region *maps, const struct file *file);
int maps_policy_claim_driver(struct maps_region *maps,
			     const struct maps_run *run);
void maps_policy_forget(struct maps_region *maps);
bool maps_policy_permits(struct maps_region *maps, struct maps_run *run);
void maps_policy_revoke_device(struct pci_dev *device);

/* maps_allow.c */
void maps_entry_free(struct maps_entry *entry);
bool maps_entry_has_file(const struct maps_entry *entry,
			 const struct file *file);

/* maps_device.c */
struct pci_dev *maps_device_find(const struct maps_run *run);
bool maps_device_has(struct pci_dev *device, const struct maps_run *run);
bool maps_device_is_driven_by(struct pci_dev *device, const char *driver);
int maps_device_init(void);
void maps_device_exit(void);

/* maps_pages.c */
bool maps_vma_is_device(const struct vm_area_struct *vma);
int maps_pages_read(struct mm_struct *mm, unsigned long start,
		    unsigned long end, bool write, struct maps_run *run);

/* maps_window.c */
int maps_window_map(struct maps_region *maps, const struct maps_run *run,
		    struct iosys_map *map);
void maps_window_unmap_all(struct maps_region *maps);

#endif
