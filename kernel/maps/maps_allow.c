// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How the administrator says what is allowed: the module's parameters "allow" and
 * "forbid", which take
 *
 *	driver NAME	what lies in a PCI device that this driver drives
 *	file PATH	mappings of this file, whatever lies behind them
 *
 * A path is looked up once, by who writes it; from then on the file is meant, of
 * device nodes the device, whatever comes to have the name in whichever mount
 * namespace.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/moduleparam.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "maps_priv.h"

/* NULL is fine. */
void maps_entry_free(struct maps_entry *entry)
{
	if (entry && entry->kind == MAPS_FILE) {
		path_put(entry->path);
		kfree(entry->path);
	}
	kfree(entry);
}

bool maps_entry_has_file(const struct maps_entry *entry,
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

/* A path that was looked up goes to the entry, or is put. */
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

static int entry_parse(struct maps_entry *entry)
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

static struct maps_entry *entry_make(const char *text)
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
	ret = entry_parse(entry);
	if (!ret)
		return entry;
	kfree(entry);
	return ERR_PTR(ret);
}

/* ---- the parameters ---- */

static int allow_set(const char *text, const struct kernel_param *param)
{
	struct maps_entry *entry = entry_make(text);

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	maps_policy_add(entry);
	return 0;
}

static int allow_get(char *buffer, const struct kernel_param *param)
{
	return maps_policy_list(buffer, PAGE_SIZE);
}

/* The module goes, or never came to be. */
static void allow_free(void *arg)
{
	maps_policy_remove_all();
}

static const struct kernel_param_ops allow_ops = {
	.set = allow_set,
	.get = allow_get,
	.free = allow_free,
};

module_param_cb(allow, &allow_ops, NULL, 0600);
MODULE_PARM_DESC(allow, "\"driver NAME\" or \"file PATH\": one more that is allowed");

static int forbid_set(const char *text, const struct kernel_param *param)
{
	char *spec = kstrdup(skip_spaces(text), GFP_KERNEL);
	int ret;

	if (!spec)
		return -ENOMEM;
	strim(spec);
	ret = maps_policy_remove(spec);
	kfree(spec);
	return ret;
}

static const struct kernel_param_ops forbid_ops = {
	.set = forbid_set,
};

module_param_cb(forbid, &forbid_ops, NULL, 0200);
MODULE_PARM_DESC(forbid, "What was allowed before, as it was written: not any more");
