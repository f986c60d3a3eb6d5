// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Descriptors that refer to an object, to be passed between processes.
 *
 * A descriptor has no operations: it is for PEER_VRAM_IOC_IMPORT only, and
 * whoever has it may do all that the one who shared it may.
 */
#include <drm/drm_drv.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>

#include "peer_vram_priv.h"

static int peer_vram_share_release(struct inode *inode, struct file *file)
{
	struct peer_vram_object *obj = file->private_data;
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	peer_vram_object_put(obj);
	drm_dev_put(&vram->drm);
	return 0;
}

static const struct file_operations peer_vram_share_fops = {
	.owner = THIS_MODULE,
	.release = peer_vram_share_release,
};

/**
 * peer_vram_share() - make a file that refers to an object
 * @obj:  the caller holds a reference
 * @file: the file, to be installed by the caller
 *
 * Return: 0, -ENFILE, -ENOMEM.
 */
int peer_vram_share(struct peer_vram_object *obj, struct file **file)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	*file = anon_inode_getfile("[peer_vram]", &peer_vram_share_fops, obj,
				   O_RDWR);
	if (IS_ERR(*file))
		return PTR_ERR(*file);
	drm_dev_get(&vram->drm);
	peer_vram_object_get(obj);
	return 0;
}

/**
 * peer_vram_import() - the object that a descriptor refers to
 * @vram: the object must belong to it
 * @fd:   descriptor of the current process
 *
 * Return: the object with a reference, or ERR_PTR of -EBADF, -EINVAL.
 */
struct peer_vram_object *peer_vram_import(struct peer_vram_device *vram, int fd)
{
	struct peer_vram_object *obj;
	struct file *file;

	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);

	if (file->f_op != &peer_vram_share_fops) {
		obj = ERR_PTR(-EINVAL);
	} else {
		obj = file->private_data;
		if (peer_vram_object_device(obj) == vram)
			peer_vram_object_get(obj);
		else
			obj = ERR_PTR(-EINVAL);
	}
	fput(file);
	return obj;
}
