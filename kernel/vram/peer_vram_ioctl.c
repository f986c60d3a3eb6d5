// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ioctls of the node.
 *
 * Each gets its struct copied in by peer_vram_ioctl(), where what this kernel
 * does not know must be zero, and answers by peer_vram_respond(). What makes
 * something for the user (a handle, a descriptor) tells first and publishes
 * last, so that a bad pointer leaves nothing behind.
 */
#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../args.h"
#include "peer_vram_priv.h"

/**
 * struct peer_vram_cmd - an ioctl under way
 * @file:  the open file
 * @user:  the user's struct
 * @usize: its size
 * @ksize: size of ours
 * @arg:   our copy
 */
struct peer_vram_cmd {
	struct peer_vram_file *file;
	void __user *user;
	u32 usize;
	u32 ksize;
	union {
		struct peer_vram_info info;
		struct peer_vram_create create;
		struct peer_vram_handle handle;
		struct peer_vram_lookup lookup;
		struct peer_vram_move move;
		struct peer_vram_query query;
		struct peer_vram_rw rw;
		struct peer_vram_blocks blocks;
		struct peer_vram_share share;
		struct peer_vram_set_flags set_flags;
		struct peer_vram_next next;
	} arg;
};

static int peer_vram_respond(struct peer_vram_cmd *cmd)
{
	return peer_args_put(cmd->user, &cmd->arg, cmd->ksize, cmd->usize);
}

/* Tell the user of a new handle; takes the caller's reference in any case. */
static int peer_vram_respond_handle(struct peer_vram_cmd *cmd,
				    struct peer_vram_object *obj, u32 *handle)
{
	int ret;

	ret = peer_vram_handle_reserve(cmd->file, obj, handle);
	if (ret)
		goto err_put;
	ret = peer_vram_respond(cmd);
	if (ret)
		goto err_abort;
	peer_vram_handle_publish(cmd->file, obj, *handle);
	return 0;

err_abort:
	peer_vram_handle_abort(cmd->file, obj, *handle);
err_put:
	peer_vram_object_put(obj);
	return ret;
}

static u64 peer_vram_mmap_offset(struct peer_vram_object *obj)
{
	return drm_vma_node_offset_addr(&obj->bo.base.vma_node);
}

static u32 peer_vram_domain(struct peer_vram_object *obj)
{
	return obj->bo.resource->mem_type == TTM_PL_VRAM ?
		PEER_VRAM_DOMAIN_VRAM : PEER_VRAM_DOMAIN_SYSTEM;
}

/* ---- one function an ioctl -------------------------------------------- */

static int peer_vram_ioc_info(struct peer_vram_cmd *cmd)
{
	struct peer_vram_device *vram = cmd->file->vram;
	struct peer_vram_info *arg = &cmd->arg.info;

	if (arg->reserved)
		return -EINVAL;

	spin_lock(&vram->lock);
	arg->objects = vram->nr_objects;
	arg->vram_pinned = vram->pinned;
	spin_unlock(&vram->lock);
	arg->vram_pinnable = vram->pin_limit - arg->vram_pinned;
	arg->vram_size = vram->size;
	arg->vram_used = peer_vram_blocks_used(vram);
	arg->system_used = ttm_resource_manager_usage(&vram->ttm.sysman);
	arg->block_size = PEER_VRAM_BLOCK_SIZE;
	arg->evictions = atomic64_read(&vram->evictions);
	arg->moves = atomic64_read(&vram->moves);
	arg->creatable = peer_vram_creatable();
	arg->swapouts = atomic64_read(&vram->swapouts);
	arg->substituted = atomic64_read(&vram->substituted);
	return peer_vram_respond(cmd);
}

static int peer_vram_ioc_create(struct peer_vram_cmd *cmd)
{
	struct peer_vram_create *arg = &cmd->arg.create;
	struct peer_vram_object *obj;

	if (arg->reserved || arg->flags & ~(PEER_VRAM_CREATE_NO_EXPORT |
					    PEER_VRAM_CREATE_SYSTEM |
					    PEER_VRAM_CREATE_IN_PLACE))
		return -EINVAL;

	obj = peer_vram_object_create(cmd->file->vram, arg->length, arg->flags);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	arg->length = peer_vram_object_size(obj);
	arg->mmap_offset = peer_vram_mmap_offset(obj);
	return peer_vram_respond_handle(cmd, obj, &arg->handle);
}

static int peer_vram_ioc_close(struct peer_vram_cmd *cmd)
{
	return peer_vram_handle_close(cmd->file, cmd->arg.handle.handle);
}

static int peer_vram_ioc_destroy(struct peer_vram_cmd *cmd)
{
	struct peer_vram_object *obj;
	int ret;

	obj = peer_vram_handle_get(cmd->file, cmd->arg.handle.handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_object_kill(obj);
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_ioc_revoke(struct peer_vram_cmd *cmd)
{
	struct peer_vram_object *obj;
	int ret;

	obj = peer_vram_handle_get(cmd->file, cmd->arg.handle.handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_object_lock(obj);
	if (!ret) {
		peer_vram_regions_revoke(obj);
		peer_vram_object_unlock(obj);
	}
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_ioc_lookup(struct peer_vram_cmd *cmd)
{
	struct peer_vram_lookup *arg = &cmd->arg.lookup;
	struct peer_vram_object *obj;

	obj = peer_vram_find_addr(cmd->file->vram, arg->addr,
				  cmd->file->writable, &arg->offset);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	return peer_vram_respond_handle(cmd, obj, &arg->handle);
}

static int peer_vram_ioc_move(struct peer_vram_cmd *cmd)
{
	struct peer_vram_move *arg = &cmd->arg.move;
	struct peer_vram_object *obj;
	int ret;

	if (arg->reserved || arg->domain > PEER_VRAM_DOMAIN_VRAM)
		return -EINVAL;

	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_object_lock_in(obj, arg->domain == PEER_VRAM_DOMAIN_VRAM ?
				       TTM_PL_VRAM : TTM_PL_SYSTEM);
	if (!ret)
		peer_vram_object_unlock(obj);
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_ioc_query(struct peer_vram_cmd *cmd)
{
	struct peer_vram_query *arg = &cmd->arg.query;
	struct peer_vram_object *obj;
	int ret;

	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_object_lock(obj);
	if (ret)
		goto out_put;
	arg->domain = peer_vram_domain(obj);
	arg->flags = (obj->export ? PEER_VRAM_QUERY_EXPORTABLE : 0) |
		     (obj->in_place ? PEER_VRAM_QUERY_IN_PLACE : 0);
	arg->length = peer_vram_object_size(obj);
	arg->mmap_offset = peer_vram_mmap_offset(obj);
	arg->regions = peer_vram_regions_count(obj);
	arg->pins = obj->pins;
	/* Looking is no use: the place in the LRU order stays. */
	dma_resv_unlock(obj->bo.base.resv);
	ret = peer_vram_respond(cmd);
out_put:
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_rw(struct peer_vram_cmd *cmd, bool write)
{
	struct peer_vram_rw *arg = &cmd->arg.rw;
	struct peer_vram_object *obj;
	u64 end;
	int ret;

	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	if (check_add_overflow(arg->offset, arg->length, &end) ||
	    end > peer_vram_object_size(obj))
		ret = -ERANGE;
	else
		ret = peer_vram_copy_user(obj, arg->offset,
					  u64_to_user_ptr(arg->buffer),
					  arg->length, write);
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_ioc_read(struct peer_vram_cmd *cmd)
{
	return peer_vram_rw(cmd, false);
}

static int peer_vram_ioc_write(struct peer_vram_cmd *cmd)
{
	return peer_vram_rw(cmd, true);
}

/* List the pieces: @room of them, if there are as many. Returns their number. */
static u32 peer_vram_list_blocks(struct peer_vram_object *obj,
				 struct peer_vram_block *blocks, u32 room)
{
	u64 size = peer_vram_object_size(obj);
	struct peer_vram_block block = {};
	u32 count = 0;

	if (obj->bo.resource->mem_type != TTM_PL_VRAM)
		return 0;
	for (; block.offset < size; block.offset += block.length) {
		block.length = peer_vram_run(obj->bo.resource, block.offset,
					     size - block.offset, &block.bar);
		if (count < room)
			blocks[count] = block;
		count++;
	}
	return count;
}

static int peer_vram_copy_blocks(struct peer_vram_cmd *cmd,
				 struct peer_vram_object *obj)
{
	struct peer_vram_blocks *arg = &cmd->arg.blocks;
	struct peer_vram_block *blocks;
	u32 room, count;
	int ret;

	room = min_t(u64, arg->count, peer_vram_object_footprint(obj) >>
		     PEER_VRAM_BLOCK_SHIFT);
	blocks = kvcalloc(room, sizeof(*blocks), GFP_KERNEL);
	if (!blocks && room)
		return -ENOMEM;

	ret = peer_vram_object_lock(obj);
	if (ret)
		goto out_free;
	count = peer_vram_list_blocks(obj, blocks, room);
	dma_resv_unlock(obj->bo.base.resv);

	arg->count = count;
	if (copy_to_user(u64_to_user_ptr(arg->blocks), blocks,
			 array_size(min(room, count), sizeof(*blocks))))
		ret = -EFAULT;
	else
		ret = peer_vram_respond(cmd);
out_free:
	kvfree(blocks);
	return ret;
}

static int peer_vram_ioc_blocks(struct peer_vram_cmd *cmd)
{
	struct peer_vram_blocks *arg = &cmd->arg.blocks;
	struct peer_vram_object *obj;
	int ret;

	if (arg->reserved)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_copy_blocks(cmd, obj);
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_install_share(struct peer_vram_cmd *cmd,
				   struct peer_vram_object *obj)
{
	struct peer_vram_share *arg = &cmd->arg.share;
	struct dma_buf *dmabuf;
	int fd, ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	dmabuf = peer_vram_dmabuf_export(obj);
	ret = PTR_ERR_OR_ZERO(dmabuf);
	if (ret)
		goto err_fd;
	arg->fd = fd;
	ret = peer_vram_respond(cmd);
	if (ret)
		goto err_dmabuf;
	fd_install(fd, dmabuf->file);
	return 0;

err_dmabuf:
	dma_buf_put(dmabuf);
err_fd:
	put_unused_fd(fd);
	return ret;
}

static int peer_vram_ioc_share(struct peer_vram_cmd *cmd)
{
	struct peer_vram_share *arg = &cmd->arg.share;
	struct peer_vram_object *obj;
	int ret;

	if (arg->reserved)
		return -EINVAL;
	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_install_share(cmd, obj);
	peer_vram_object_put(obj);
	return ret;
}

static int peer_vram_ioc_import(struct peer_vram_cmd *cmd)
{
	struct peer_vram_share *arg = &cmd->arg.share;
	struct peer_vram_object *obj;

	if (arg->reserved)
		return -EINVAL;
	obj = peer_vram_import(cmd->file->vram, arg->fd);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	return peer_vram_respond_handle(cmd, obj, &arg->handle);
}

static int peer_vram_ioc_set_flags(struct peer_vram_cmd *cmd)
{
	struct peer_vram_set_flags *arg = &cmd->arg.set_flags;
	struct peer_vram_object *obj;
	int ret;

	if (arg->reserved || arg->flags & ~(PEER_VRAM_CREATE_NO_EXPORT |
					    PEER_VRAM_CREATE_IN_PLACE))
		return -EINVAL;

	obj = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	ret = peer_vram_object_lock(obj);
	if (!ret) {
		obj->in_place = arg->flags & PEER_VRAM_CREATE_IN_PLACE;
		obj->export = !(arg->flags & PEER_VRAM_CREATE_NO_EXPORT);
		if (!obj->export)
			peer_vram_regions_invalidate(obj);
		dma_resv_unlock(obj->bo.base.resv);
	}
	peer_vram_object_put(obj);
	return ret;
}

/* The object with the lowest offset above @after, with a reference; or NULL. */
static struct peer_vram_object *peer_vram_next(struct peer_vram_device *vram,
					       u64 after)
{
	struct peer_vram_object *obj, *next = NULL;

	spin_lock(&vram->lock);
	list_for_each_entry(obj, &vram->objects, node) {
		u64 offset = peer_vram_mmap_offset(obj);

		if (offset <= after || !kref_read(&obj->bo.kref))
			continue;
		if (!next || offset < peer_vram_mmap_offset(next))
			next = obj;
	}
	/* Its last user may have gone just now. */
	if (next && !ttm_bo_get_unless_zero(&next->bo))
		next = ERR_PTR(-EAGAIN);
	spin_unlock(&vram->lock);
	return next;
}

static int peer_vram_ioc_next(struct peer_vram_cmd *cmd)
{
	struct peer_vram_next *arg = &cmd->arg.next;
	struct peer_vram_object *obj;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	do {
		obj = peer_vram_next(cmd->file->vram, arg->mmap_offset);
	} while (obj == ERR_PTR(-EAGAIN));
	if (!obj)
		return -ENOENT;
	arg->mmap_offset = peer_vram_mmap_offset(obj);
	return peer_vram_respond_handle(cmd, obj, &arg->handle);
}

/* ---- dispatch --------------------------------------------------------- */

/**
 * struct peer_vram_ioctl - a row of the table
 * @fn:       does it
 * @ksize:    size of the struct in this version
 * @min_size: size of the struct in its first version
 * @write:    the file must have been opened for writing
 */
struct peer_vram_ioctl {
	int (*fn)(struct peer_vram_cmd *cmd);
	u32 ksize;
	u32 min_size;
	bool write;
};

#define PEER_VRAM_IOCTL(_nr, _fn, _arg, _last, _write)                        \
	[_IOC_NR(PEER_VRAM_IOC_##_nr)] = {                                    \
		.fn = peer_vram_ioc_##_fn,                                    \
		.ksize = sizeof(struct peer_vram_##_arg),                     \
		.min_size = offsetofend(struct peer_vram_##_arg, _last),      \
		.write = _write,                                              \
	}

static const struct peer_vram_ioctl peer_vram_ioctls[] = {
	PEER_VRAM_IOCTL(INFO, info, info, creatable, false),
	PEER_VRAM_IOCTL(CREATE, create, create, mmap_offset, false),
	PEER_VRAM_IOCTL(CLOSE, close, handle, handle, false),
	PEER_VRAM_IOCTL(DESTROY, destroy, handle, handle, true),
	PEER_VRAM_IOCTL(REVOKE, revoke, handle, handle, true),
	PEER_VRAM_IOCTL(LOOKUP, lookup, lookup, offset, false),
	PEER_VRAM_IOCTL(MOVE, move, move, reserved, true),
	PEER_VRAM_IOCTL(QUERY, query, query, pins, false),
	PEER_VRAM_IOCTL(READ, read, rw, buffer, false),
	PEER_VRAM_IOCTL(WRITE, write, rw, buffer, true),
	PEER_VRAM_IOCTL(BLOCKS, blocks, blocks, blocks, false),
	PEER_VRAM_IOCTL(SHARE, share, share, reserved, true),
	PEER_VRAM_IOCTL(IMPORT, import, share, reserved, false),
	PEER_VRAM_IOCTL(SET_FLAGS, set_flags, set_flags, reserved, true),
	PEER_VRAM_IOCTL(NEXT, next, next, mmap_offset, false),
};

static const struct peer_vram_ioctl *peer_vram_ioctl_find(unsigned int nr)
{
	const struct peer_vram_ioctl *op;

	if (_IOC_TYPE(nr) != PEER_VRAM_IOC_MAGIC ||
	    _IOC_NR(nr) >= ARRAY_SIZE(peer_vram_ioctls))
		return NULL;
	op = &peer_vram_ioctls[array_index_nospec(_IOC_NR(nr),
						  ARRAY_SIZE(peer_vram_ioctls))];
	return nr == PEER_VRAM_IOC(_IOC_NR(nr)) ? op : NULL;
}

long peer_vram_ioctl(struct file *filp, unsigned int nr, unsigned long arg)
{
	struct peer_vram_cmd cmd = {
		.file = filp->private_data,
		.user = (void __user *)arg,
	};
	const struct peer_vram_ioctl *op = peer_vram_ioctl_find(nr);
	int ret;

	if (!op)
		return -ENOTTY;
	if (drm_dev_is_unplugged(&cmd.file->vram->drm))
		return -ENODEV;
	if (op->write && !cmd.file->writable)
		return -EACCES;

	cmd.ksize = op->ksize;
	ret = peer_args_get(&cmd.arg, cmd.ksize, op->min_size, cmd.user,
			    &cmd.usize);
	if (ret)
		return ret;
	return op->fn(&cmd);
}
