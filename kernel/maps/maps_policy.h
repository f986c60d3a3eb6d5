/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_POLICY_H
#define MAPS_POLICY_H

#include <linux/types.h>

struct file;
struct maps_entry;
struct maps_region;
struct maps_run;
struct pci_dev;

bool maps_policy_is_empty(void);

/* Takes over the entry. Replaces an entry with the same text. */
void maps_policy_add(struct maps_entry *entry);

/* Removes an entry and revokes its regions. Return: 0, -ENOENT. */
int maps_policy_remove(const char *spec);
void maps_policy_remove_all(void);

/* Writes one line per entry, as far as they fit. Return: bytes. */
int maps_policy_list(char *buffer, size_t size);

/* Adds a region of a file that an entry allows. Return: 0, -ENXIO not allowed. */
int maps_policy_claim_file(struct maps_region *maps, const struct file *file);

/*
 * Adds a region of a device whose driver an entry allows. Return: 0, -ENXIO not
 * memory of a device, or its driver is not allowed.
 */
int maps_policy_claim_driver(struct maps_region *maps,
			     const struct maps_run *run);

/* Undoes a successful claim. */
void maps_policy_remove_region(struct maps_region *maps);

/* May the region access these pages? Sets run->ram. */
bool maps_policy_permits(struct maps_region *maps, struct maps_run *run);

/* Revokes all regions that have memory of the device. */
void maps_policy_revoke_device(struct pci_dev *device);

#endif
