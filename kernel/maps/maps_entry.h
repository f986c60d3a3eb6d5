/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_ENTRY_H
#define MAPS_ENTRY_H

#include <linux/list.h>
#include <linux/types.h>

struct file;
struct path;

/**
 * enum maps_kind - what an entry allows
 * @MAPS_DRIVER:  memory of PCI devices that have this driver
 * @MAPS_FILE:    mappings of this regular file
 * @MAPS_CHARDEV: mappings of files with this character device number
 */
enum maps_kind { MAPS_DRIVER, MAPS_FILE, MAPS_CHARDEV };

/**
 * struct maps_entry - an entry of the parameter "allow"
 * @node:   in the list of all entries of maps_policy.c
 * @kind:   selects the valid one of @path, @device and @name
 * @path:   the file, with a reference (MAPS_FILE)
 * @device: the device number (MAPS_CHARDEV)
 * @name:   the part of @spec after the kind: the driver's name (MAPS_DRIVER)
 * @spec:   the text, as it was written
 */
struct maps_entry {
	struct list_head node;
	enum maps_kind kind;
	union {
		struct path *path;
		dev_t device;
	};
	const char *name;
	char spec[];
};

/*
 * Return: a new entry, or ERR_PTR of -EINVAL bad syntax or file type, -ENOMEM, or
 * -errno of the path lookup.
 */
struct maps_entry *maps_entry_parse(const char *text);

/* @entry may be NULL. */
void maps_entry_free(struct maps_entry *entry);

bool maps_entry_matches_file(const struct maps_entry *entry,
			     const struct file *file);

#endif
