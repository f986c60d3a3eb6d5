// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Entries: what the administrator allows.
 *
 *	driver NAME	memory in a BAR of a PCI device that has this driver
 *	file PATH	mappings of this file, of any memory
 *
 * A path is looked up once, in the task that writes it. After that the entry means
 * the file, or the device number of a device node. It does not matter what the path
 * names later, or in another mount namespace.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "maps_entry.h"

void maps_entry_free(struct maps_entry *entry)
{
	if (entry && entry->kind == MAPS_FILE) {
		path_put(entry->path);
		kfree(entry->path);
	}
	kfree(entry);
}

bool maps_entry_matches_file(const struct maps_entry *entry,
			     const struct file *file)
{
	const struct inode *inode = file_inode(file);

	switch (entry->kind) {
	case MAPS_FILE:
		return d_backing_inode(entry->path->dentry) == inode;
	case MAPS_CHARDEV:
		return S_ISCHR(inode->i_mode) && inode->i_rdev == entry->device;
	default:
		return false;
	}
}

static int entry_set_driver(struct maps_entry *entry)
{
	entry->kind = MAPS_DRIVER;
	return strpbrk(entry->name, " \t") ? -EINVAL : 0;
}

/* Takes over the reference of @path. */
static int entry_set_path(struct maps_entry *entry, struct path *path)
{
	const struct inode *inode = d_backing_inode(path->dentry);

	if (S_ISCHR(inode->i_mode)) {
		entry->kind = MAPS_CHARDEV;
		entry->device = inode->i_rdev;
		path_put(path);
		return 0;
	}
	entry->kind = MAPS_FILE;
	entry->path = S_ISREG(inode->i_mode) ?
		      kmemdup(path, sizeof(*path), GFP_KERNEL) : NULL;
	if (entry->path)
		return 0;
	path_put(path);
	return S_ISREG(inode->i_mode) ? -ENOMEM : -EINVAL;
}

static int entry_set_file(struct maps_entry *entry)
{
	struct path path;
	int ret;

	if (*entry->name != '/')
		return -EINVAL;
	ret = kern_path(entry->name, LOOKUP_FOLLOW, &path);
	return ret ?: entry_set_path(entry, &path);
}

static int entry_parse_spec(struct maps_entry *entry)
{
	const char *name;

	name = strchr(entry->spec, ' ');
	if (!name)
		return -EINVAL;
	entry->name = name + 1;
	if (str_has_prefix(entry->spec, "driver "))
		return entry_set_driver(entry);
	if (str_has_prefix(entry->spec, "file "))
		return entry_set_file(entry);
	return -EINVAL;
}

struct maps_entry *maps_entry_parse(const char *text)
{
	struct maps_entry *entry;
	size_t size;
	int ret;

	text = skip_spaces(text);
	size = strlen(text) + 1;
	entry = kzalloc(struct_size(entry, spec, size), GFP_KERNEL);
	if (!entry)
		return ERR_PTR(-ENOMEM);
	memcpy(entry->spec, text, size);
	strim(entry->spec);
	ret = entry_parse_spec(entry);
	if (!ret)
		return entry;
	kfree(entry);
	return ERR_PTR(ret);
}
