// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Open nodes and their handles.
 *
 * A handle is a number in one open file that names an object. One that is being
 * made is reserved first, told to the user, and published last, which cannot
 * fail; until then nobody can use or close it. A file may map an object as long
 * as it has a handle of it.
 */
#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "peer_vram_priv.h"

#define PEER_VRAM_HANDLES_MAX 65536

/* ---- handles ---------------------------------------------------------- */

/* The VMA manager never looks behind the pointer: it is just a tag. */
static struct drm_file *peer_vram_tag(struct peer_vram_file *file)
{
	return (struct drm_file *)file;
}

bool peer_vram_may_map(struct peer_vram_file *file,
		       struct peer_vram_object *obj)
{
	return drm_vma_node_is_allowed(&obj->bo.base.vma_node,
				       peer_vram_tag(file));
}

/**
 * peer_vram_handle_reserve() - find a number for an object
 * @file:   the open file
 * @obj:    the caller's reference becomes the handle's by publishing
 * @handle: the number
 *
 * Return: 0, -EMFILE no number left, -ENOMEM.
 */
int peer_vram_handle_reserve(struct peer_vram_file *file,
			     struct peer_vram_object *obj, u32 *handle)
{
	int ret;

	ret = drm_vma_node_allow(&obj->bo.base.vma_node, peer_vram_tag(file));
	if (ret)
		return ret;
	ret = xa_alloc(&file->handles, handle, NULL,
		       XA_LIMIT(1, PEER_VRAM_HANDLES_MAX), GFP_KERNEL_ACCOUNT);
	if (ret)
		drm_vma_node_revoke(&obj->bo.base.vma_node, peer_vram_tag(file));
	return ret == -EBUSY ? -EMFILE : ret;
}

void peer_vram_handle_publish(struct peer_vram_file *file,
			      struct peer_vram_object *obj, u32 handle)
{
	void *old = xa_store(&file->handles, handle, obj, GFP_KERNEL);

	WARN_ON(old);
}

void peer_vram_handle_abort(struct peer_vram_file *file,
			    struct peer_vram_object *obj, u32 handle)
{
	xa_erase(&file->handles, handle);
	drm_vma_node_revoke(&obj->bo.base.vma_node, peer_vram_tag(file));
}

static void peer_vram_handle_drop(struct peer_vram_file *file,
				  struct peer_vram_object *obj)
{
	drm_vma_node_revoke(&obj->bo.base.vma_node, peer_vram_tag(file));
	peer_vram_object_put(obj);
}

int peer_vram_handle_close(struct peer_vram_file *file, u32 handle)
{
	struct peer_vram_object *obj;

	/* A reserved number loads as NULL and stays. */
	xa_lock(&file->handles);
	obj = xa_load(&file->handles, handle);
	if (obj)
		__xa_erase(&file->handles, handle);
	xa_unlock(&file->handles);
	if (!obj)
		return -ENOENT;
	peer_vram_handle_drop(file, obj);
	return 0;
}

/* The object that a handle names, with a reference. */
struct peer_vram_object *peer_vram_handle_get(struct peer_vram_file *file,
					      u32 handle)
{
	struct peer_vram_object *obj;

	xa_lock(&file->handles);
	obj = xa_load(&file->handles, handle);
	if (obj)
		peer_vram_object_get(obj);
	xa_unlock(&file->handles);
	return obj ?: ERR_PTR(-ENOENT);
}

/* ---- open and close --------------------------------------------------- */

static int peer_vram_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *misc = filp->private_data;
	struct peer_vram_device *vram =
		container_of(misc, struct peer_vram_device, misc);
	struct peer_vram_file *file;

	/* Whoever may write may read, too: there is nothing in between. */
	if (!(filp->f_mode & FMODE_READ))
		return -EACCES;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	xa_init_flags(&file->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	drm_dev_get(&vram->drm);
	file->vram = vram;
	file->writable = filp->f_mode & FMODE_WRITE;

	/* Without this, page tables would not be zapped when objects move. */
	filp->f_mapping = vram->drm.anon_inode->i_mapping;
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static int peer_vram_file_release(struct inode *inode, struct file *filp)
{
	struct peer_vram_file *file = filp->private_data;
	struct peer_vram_object *obj;
	unsigned long handle;

	xa_for_each(&file->handles, handle, obj)
		peer_vram_handle_drop(file, obj);
	xa_destroy(&file->handles);
	drm_dev_put(&file->vram->drm);
	kfree(file);
	return 0;
}

const struct file_operations peer_vram_fops = {
	.owner = THIS_MODULE,
	.open = peer_vram_open,
	.release = peer_vram_file_release,
	.mmap = peer_vram_mmap,
	.get_unmapped_area = peer_vram_get_unmapped_area,
	.unlocked_ioctl = peer_vram_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
