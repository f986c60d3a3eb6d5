// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Opens and closes the character device.
 *
 * An open file holds a reference on the drm_device, so it may outlive the
 * device. All mappings of all files share the address_space of the drm_device's
 * inode (peer_vram_mmap.c).
 */
#include <drm/drm_drv.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "peer_vram_file.h"
#include "peer_vram_handle.h"
#include "peer_vram_ioctl.h"
#include "peer_vram_mmap.h"
#include "peer_vram_types.h"

static int peer_vram_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *misc = filp->private_data;
	struct peer_vram_device *vram =
		container_of(misc, struct peer_vram_device, misc);
	struct peer_vram_file *file;

	/* Write-only files do not exist: mappings and ioctls also read. */
	if (!(filp->f_mode & FMODE_READ))
		return -EACCES;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	peer_vram_handles_init(file);
	drm_dev_get(&vram->drm);
	file->vram = vram;
	file->writable = filp->f_mode & FMODE_WRITE;

	/* TTM zaps the page table entries of a BO through this address_space. */
	filp->f_mapping = vram->drm.anon_inode->i_mapping;
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static int peer_vram_file_release(struct inode *inode, struct file *filp)
{
	struct peer_vram_file *file = filp->private_data;

	peer_vram_handles_fini(file);
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
