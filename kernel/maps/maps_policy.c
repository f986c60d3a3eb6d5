// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The policy: the allowed entries, and the regions that each allows.
 *
 * One entry allows a region. The region is revoked when that entry is removed, when
 * its device is removed, and when the driver of the device is unbound.
 *
 * A region looks up its device and records it in one critical section of
 * maps_policy_lock. maps_policy_revoke_device() takes the same lock. So it finds
 * every region that has pages of the device.
 */
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "maps_device.h"
#include "maps_entry.h"
#include "maps_pages.h"
#include "maps_policy.h"
#include "maps_region.h"

static DEFINE_MUTEX(maps_policy_lock);
static LIST_HEAD(maps_entries);
static LIST_HEAD(maps_regions);

/* ---- entries ---- */

bool maps_policy_is_empty(void)
{
	return list_empty(&maps_entries);
}

static struct maps_entry *policy_find(const char *spec)
{
	struct maps_entry *entry;

	lockdep_assert_held(&maps_policy_lock);

	list_for_each_entry(entry, &maps_entries, node)
		if (!strcmp(entry->spec, spec))
			return entry;
	return NULL;
}

/* Revokes the regions of the entry. The caller frees it without the lock. */
static struct maps_entry *policy_unlink(struct maps_entry *entry)
{
	struct maps_region *maps;

	lockdep_assert_held(&maps_policy_lock);

	if (!entry)
		return NULL;
	list_for_each_entry(maps, &maps_regions, node) {
		if (maps->entry != entry)
			continue;
		maps->entry = NULL;
		ib_peer_revoke(maps->region);
	}
	list_del(&entry->node);
	return entry;
}

/* The same text may mean another file now, so the old entry is replaced. */
void maps_policy_add(struct maps_entry *entry)
{
	struct maps_entry *old;

	mutex_lock(&maps_policy_lock);
	old = policy_unlink(policy_find(entry->spec));
	list_add_tail(&entry->node, &maps_entries);
	mutex_unlock(&maps_policy_lock);
	maps_entry_free(old);
}

int maps_policy_remove(const char *spec)
{
	struct maps_entry *entry;

	mutex_lock(&maps_policy_lock);
	entry = policy_unlink(policy_find(spec));
	mutex_unlock(&maps_policy_lock);
	if (!entry)
		return -ENOENT;
	maps_entry_free(entry);
	return 0;
}

void maps_policy_remove_all(void)
{
	struct maps_entry *entry;

	do {
		mutex_lock(&maps_policy_lock);
		entry = policy_unlink(list_first_entry_or_null(&maps_entries,
							       struct maps_entry,
							       node));
		mutex_unlock(&maps_policy_lock);
		maps_entry_free(entry);
	} while (entry);
}

int maps_policy_list(char *buffer, size_t size)
{
	struct maps_entry *entry;
	int n = 0;

	mutex_lock(&maps_policy_lock);
	list_for_each_entry(entry, &maps_entries, node)
		n += scnprintf(buffer + n, size - n, "%s\n", entry->spec);
	mutex_unlock(&maps_policy_lock);
	return n;
}

/* ---- regions ---- */

static int policy_add_region(struct maps_region *maps,
			     const struct maps_entry *entry)
{
	lockdep_assert_held(&maps_policy_lock);

	maps->entry = entry;
	list_add_tail(&maps->node, &maps_regions);
	return 0;
}

int maps_policy_claim_file(struct maps_region *maps, const struct file *file)
{
	struct maps_entry *entry;
	int ret = -ENXIO;

	mutex_lock(&maps_policy_lock);
	list_for_each_entry(entry, &maps_entries, node) {
		if (maps_entry_matches_file(entry, file)) {
			ret = policy_add_region(maps, entry);
			break;
		}
	}
	mutex_unlock(&maps_policy_lock);
	return ret;
}

int maps_policy_claim_driver(struct maps_region *maps,
			     const struct maps_run *run)
{
	struct maps_entry *entry;
	struct pci_dev *device;
	int ret = -ENXIO;

	mutex_lock(&maps_policy_lock);
	device = maps_device_find(run);
	list_for_each_entry(entry, &maps_entries, node) {
		if (device && entry->kind == MAPS_DRIVER &&
		    maps_device_has_driver(device, entry->name)) {
			ret = policy_add_region(maps, entry);
			break;
		}
	}
	pci_dev_put(device);
	mutex_unlock(&maps_policy_lock);
	return ret;
}

void maps_policy_remove_region(struct maps_region *maps)
{
	mutex_lock(&maps_policy_lock);
	list_del(&maps->node);
	pci_dev_put(maps->device);
	mutex_unlock(&maps_policy_lock);
}

/* All memory of a region is of one device, so that one can be recorded. */
static bool policy_permits_device(struct maps_region *maps,
				  struct maps_run *run)
{
	lockdep_assert_held(&maps_policy_lock);

	if (!maps->device)
		maps->device = maps_device_find(run);
	if (!maps->device || !maps_device_has(maps->device, run))
		return false;
	run->registers = maps_device_has_registers(maps->device, run);
	return maps->entry->kind != MAPS_DRIVER ||
	       maps_device_has_driver(maps->device, maps->entry->name);
}

bool maps_policy_permits(struct maps_region *maps, struct maps_run *run)
{
	int ram = region_intersects(run->phys, maps_run_size(run),
				    IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE);
	bool permitted = false;

	run->ram = ram == REGION_INTERSECTS;
	run->registers = false;
	mutex_lock(&maps_policy_lock);
	if (maps->entry && run->ram)
		permitted = maps->entry->kind != MAPS_DRIVER;
	else if (maps->entry && ram == REGION_DISJOINT)
		permitted = policy_permits_device(maps, run);
	mutex_unlock(&maps_policy_lock);
	return permitted;
}

void maps_policy_revoke_device(struct pci_dev *device)
{
	struct maps_region *maps;

	mutex_lock(&maps_policy_lock);
	list_for_each_entry(maps, &maps_regions, node)
		if (maps->device == device)
			ib_peer_revoke(maps->region);
	mutex_unlock(&maps_policy_lock);
}
