// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ioctls of the character device.
 *
 * peer_vram_ioctl() copies the user's struct in; bytes that this kernel does not
 * know must be zero. peer_vram_respond() copies the struct out. An ioctl that
 * creates a handle or a descriptor copies out first and publishes last, so that a
 * bad user pointer leaves nothing behind.
 */
#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_resource.h>
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <rdma/peer_vram.h>

#include "../args.h"
#include "peer_vram_blocks.h"
#include "peer_vram_bo.h"
#include "peer_vram_copy.h"
#include "peer_vram_dmabuf.h"
#include "peer_vram_handle.h"
#include "peer_vram_ioctl.h"
#include "peer_vram_lock.h"
#include "peer_vram_mmap.h"
#include "peer_vram_placement.h"
#include "peer_vram_regions.h"
#include "peer_vram_types.h"

/**
 * struct peer_vram_cmd - an ioctl in progress
 * @file:  the open file
 * @user:  the user's struct
 * @usize: its size, in bytes
 * @ksize: size of the struct in this kernel, in bytes
 * @arg:   the kernel's copy of the struct
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

/* Returns a new handle to the user. Takes the caller's reference, also on errors. */
static int peer_vram_respond_handle(struct peer_vram_cmd *cmd,
				    struct peer_vram_bo *bo, u32 *handle)
{
	int ret;

	ret = peer_vram_handle_reserve(cmd->file, bo, handle);
	if (ret)
		goto err_put;
	ret = peer_vram_respond(cmd);
	if (ret)
		goto err_abort;
	peer_vram_handle_publish(cmd->file, bo, *handle);
	return 0;

err_abort:
	peer_vram_handle_abort(cmd->file, bo, *handle);
err_put:
	peer_vram_bo_put(bo);
	return ret;
}

static u64 peer_vram_mmap_offset(struct peer_vram_bo *bo)
{
	return drm_vma_node_offset_addr(&bo->gem.vma_node);
}

/* Bytes of the BO that are in VRAM. */
static u64 peer_vram_resident(struct peer_vram_bo *bo)
{
	struct peer_vram_part *part;
	u64 bytes = 0;

	for (part = bo->parts; part < peer_vram_end_part(bo); part++)
		if (peer_vram_part_in_vram(part))
			bytes += part->tbo.base.size;
	return bytes;
}

static u32 peer_vram_domain(struct peer_vram_bo *bo, u64 resident)
{
	if (!resident)
		return PEER_VRAM_DOMAIN_SYSTEM;
	return resident == peer_vram_bo_size(bo) ? PEER_VRAM_DOMAIN_VRAM :
						   PEER_VRAM_DOMAIN_MIXED;
}

/* Is [offset, offset + length) in the BO? */
static bool peer_vram_is_in_bo(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	u64 end;

	return !check_add_overflow(offset, length, &end) &&
	       end <= peer_vram_bo_size(bo);
}

/* ---- one function for each ioctl -------------------------------------- */

static int peer_vram_ioc_info(struct peer_vram_cmd *cmd)
{
	struct peer_vram_device *vram = cmd->file->vram;
	struct peer_vram_info *arg = &cmd->arg.info;
	u64 limit;

	if (arg->reserved)
		return -EINVAL;

	spin_lock(&vram->lock);
	arg->objects = vram->nr_bos;
	arg->vram_pinned = vram->pinned;
	spin_unlock(&vram->lock);
	limit = peer_vram_pin_limit(vram);
	arg->vram_pinnable = limit - min(limit, arg->vram_pinned);
	arg->vram_size = vram->size;
	arg->vram_used = peer_vram_blocks_used(vram);
	arg->system_used = ttm_resource_manager_usage(&vram->ttm.sysman);
	arg->block_size = PEER_VRAM_BLOCK_SIZE;
	arg->evictions = atomic64_read(&vram->evictions);
	arg->moves = atomic64_read(&vram->moves);
	arg->creatable = peer_vram_limit_remaining();
	arg->swapouts = atomic64_read(&vram->swapouts);
	arg->substituted = atomic64_read(&vram->substituted);
	return peer_vram_respond(cmd);
}

static int peer_vram_ioc_create(struct peer_vram_cmd *cmd)
{
	struct peer_vram_create *arg = &cmd->arg.create;
	struct peer_vram_bo *bo;

	if (arg->reserved || arg->flags & ~(PEER_VRAM_CREATE_NO_EXPORT |
					    PEER_VRAM_CREATE_SYSTEM |
					    PEER_VRAM_CREATE_IN_PLACE))
		return -EINVAL;

	bo = peer_vram_bo_create(cmd->file->vram, arg->length, arg->flags);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	arg->length = peer_vram_bo_size(bo);
	arg->mmap_offset = peer_vram_mmap_offset(bo);
	return peer_vram_respond_handle(cmd, bo, &arg->handle);
}

static int peer_vram_ioc_close(struct peer_vram_cmd *cmd)
{
	return peer_vram_handle_close(cmd->file, cmd->arg.handle.handle);
}

static int peer_vram_ioc_destroy(struct peer_vram_cmd *cmd)
{
	struct peer_vram_bo *bo;
	int ret;

	bo = peer_vram_handle_get(cmd->file, cmd->arg.handle.handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_bo_kill(bo);
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_ioc_revoke(struct peer_vram_cmd *cmd)
{
	struct peer_vram_bo *bo;
	int ret;

	bo = peer_vram_handle_get(cmd->file, cmd->arg.handle.handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_bo_lock(bo);
	if (!ret) {
		peer_vram_regions_revoke(bo);
		peer_vram_bo_unlock(bo);
	}
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_ioc_lookup(struct peer_vram_cmd *cmd)
{
	struct peer_vram_lookup *arg = &cmd->arg.lookup;
	struct peer_vram_bo *bo;

	bo = peer_vram_find_addr(cmd->file->vram, arg->addr,
				 cmd->file->writable, &arg->offset);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	return peer_vram_respond_handle(cmd, bo, &arg->handle);
}

/* Moves the parts of a range. Length 0: to the end of the BO. */
static int peer_vram_move_range(struct peer_vram_bo *bo, u64 offset, u64 length,
				u32 domain)
{
	int ret;

	if (offset >= peer_vram_bo_size(bo) ||
	    !peer_vram_is_in_bo(bo, offset, length))
		return -ERANGE;
	length = length ?: peer_vram_bo_size(bo) - offset;
	if (domain == PEER_VRAM_DOMAIN_VRAM)
		ret = peer_vram_bo_lock_vram(bo, offset, length);
	else
		ret = peer_vram_bo_lock_system(bo, offset, length);
	if (!ret)
		peer_vram_bo_unlock(bo);
	return ret;
}

static int peer_vram_ioc_move(struct peer_vram_cmd *cmd)
{
	struct peer_vram_move *arg = &cmd->arg.move;
	struct peer_vram_bo *bo;
	int ret;

	if (arg->reserved || arg->domain > PEER_VRAM_DOMAIN_VRAM)
		return -EINVAL;

	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_move_range(bo, arg->offset, arg->length, arg->domain);
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_ioc_query(struct peer_vram_cmd *cmd)
{
	struct peer_vram_query *arg = &cmd->arg.query;
	struct peer_vram_bo *bo;
	int ret;

	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_bo_lock(bo);
	if (ret)
		goto out_put;
	arg->resident = peer_vram_resident(bo);
	arg->domain = peer_vram_domain(bo, arg->resident);
	arg->flags = (bo->export ? PEER_VRAM_QUERY_EXPORTABLE : 0) |
		     (bo->in_place ? PEER_VRAM_QUERY_IN_PLACE : 0);
	arg->length = peer_vram_bo_size(bo);
	arg->mmap_offset = peer_vram_mmap_offset(bo);
	arg->regions = peer_vram_regions_count(bo);
	arg->pins = bo->pins;
	peer_vram_bo_unlock(bo);
	ret = peer_vram_respond(cmd);
out_put:
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_rw(struct peer_vram_cmd *cmd, bool write)
{
	struct peer_vram_rw *arg = &cmd->arg.rw;
	struct peer_vram_bo *bo;
	int ret;

	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	if (!peer_vram_is_in_bo(bo, arg->offset, arg->length))
		ret = -ERANGE;
	else
		ret = peer_vram_copy_user(bo, arg->offset,
					  u64_to_user_ptr(arg->buffer),
					  arg->length, write);
	peer_vram_bo_put(bo);
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

/**
 * struct peer_vram_list - a list of blocks that is being made
 * @blocks: the blocks
 * @room:   maximum number of blocks
 * @count:  number of blocks, also of those that are not stored
 * @last:   the last one
 */
struct peer_vram_list {
	struct peer_vram_block *blocks;
	u32 room;
	u32 count;
	struct peer_vram_block last;
};

/* Adds a block, or makes the last one longer if the block adjoins it. */
static void peer_vram_list_add(struct peer_vram_list *list,
			       const struct peer_vram_block *block)
{
	struct peer_vram_block *last = &list->last;

	if (list->count && last->offset + last->length == block->offset &&
	    last->bar + last->length == block->bar) {
		last->length += block->length;
	} else {
		*last = *block;
		list->count++;
	}
	if (list->count <= list->room)
		list->blocks[list->count - 1] = *last;
}

static void peer_vram_list_part(struct peer_vram_list *list,
				struct peer_vram_part *part)
{
	u64 size = part->tbo.base.size;
	struct peer_vram_block block;
	u64 offset;

	for (offset = 0; offset < size; offset += block.length) {
		block.offset = part->offset + offset;
		block.length = peer_vram_find_run(part->tbo.resource, offset,
						  size - offset, &block.bar);
		peer_vram_list_add(list, &block);
	}
}

/* Lists at most @room blocks. Return: the number of blocks in VRAM. */
static u32 peer_vram_list_blocks(struct peer_vram_bo *bo,
				 struct peer_vram_block *blocks, u32 room)
{
	struct peer_vram_list list = { .blocks = blocks, .room = room };
	struct peer_vram_part *part;

	for (part = bo->parts; part < peer_vram_end_part(bo); part++)
		if (peer_vram_part_in_vram(part))
			peer_vram_list_part(&list, part);
	return list.count;
}

static int peer_vram_copy_blocks(struct peer_vram_cmd *cmd,
				 struct peer_vram_bo *bo)
{
	struct peer_vram_blocks *arg = &cmd->arg.blocks;
	struct peer_vram_block *blocks;
	u32 room, count;
	int ret;

	room = min_t(u64, arg->count, peer_vram_bo_vram_size(bo) >>
		     PEER_VRAM_BLOCK_SHIFT);
	blocks = kvcalloc(room, sizeof(*blocks), GFP_KERNEL);
	if (!blocks && room)
		return -ENOMEM;

	ret = peer_vram_bo_lock(bo);
	if (ret)
		goto out_free;
	count = peer_vram_list_blocks(bo, blocks, room);
	peer_vram_bo_unlock(bo);

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
	struct peer_vram_bo *bo;
	int ret;

	if (arg->reserved)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_copy_blocks(cmd, bo);
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_install_dmabuf(struct peer_vram_cmd *cmd,
				    struct peer_vram_bo *bo)
{
	struct peer_vram_share *arg = &cmd->arg.share;
	struct dma_buf *dmabuf;
	int fd, ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	dmabuf = peer_vram_dmabuf_export(bo);
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
	struct peer_vram_bo *bo;
	int ret;

	if (arg->reserved)
		return -EINVAL;
	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_install_dmabuf(cmd, bo);
	peer_vram_bo_put(bo);
	return ret;
}

static int peer_vram_ioc_import(struct peer_vram_cmd *cmd)
{
	struct peer_vram_share *arg = &cmd->arg.share;
	struct peer_vram_bo *bo;

	if (arg->reserved)
		return -EINVAL;
	bo = peer_vram_dmabuf_import(cmd->file->vram, arg->fd);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	return peer_vram_respond_handle(cmd, bo, &arg->handle);
}

static void peer_vram_invalidate_all(struct peer_vram_bo *bo)
{
	struct peer_vram_part *part;

	for (part = bo->parts; part < peer_vram_end_part(bo); part++)
		peer_vram_regions_invalidate(part);
}

static int peer_vram_ioc_set_flags(struct peer_vram_cmd *cmd)
{
	struct peer_vram_set_flags *arg = &cmd->arg.set_flags;
	struct peer_vram_bo *bo;
	int ret;

	if (arg->reserved || arg->flags & ~(PEER_VRAM_CREATE_NO_EXPORT |
					    PEER_VRAM_CREATE_IN_PLACE))
		return -EINVAL;

	bo = peer_vram_handle_get(cmd->file, arg->handle);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = peer_vram_bo_lock(bo);
	if (!ret) {
		bo->in_place = arg->flags & PEER_VRAM_CREATE_IN_PLACE;
		bo->export = !(arg->flags & PEER_VRAM_CREATE_NO_EXPORT);
		if (!bo->export)
			peer_vram_invalidate_all(bo);
		peer_vram_bo_unlock(bo);
	}
	peer_vram_bo_put(bo);
	return ret;
}

/*
 * Return: the BO with the lowest mmap() offset above @after, with a reference; NULL
 * if there is none; ERR_PTR(-EAGAIN) if its last reference has just been dropped.
 */
static struct peer_vram_bo *peer_vram_next_bo(struct peer_vram_device *vram,
					      u64 after)
{
	struct peer_vram_bo *bo, *next = NULL;

	spin_lock(&vram->lock);
	list_for_each_entry(bo, &vram->live_bos, node) {
		u64 offset = peer_vram_mmap_offset(bo);

		if (offset <= after || !kref_read(&bo->gem.refcount))
			continue;
		if (!next || offset < peer_vram_mmap_offset(next))
			next = bo;
	}
	if (next && !peer_vram_bo_tryget(next))
		next = ERR_PTR(-EAGAIN);
	spin_unlock(&vram->lock);
	return next;
}

static int peer_vram_ioc_next(struct peer_vram_cmd *cmd)
{
	struct peer_vram_next *arg = &cmd->arg.next;
	struct peer_vram_bo *bo;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	do {
		bo = peer_vram_next_bo(cmd->file->vram, arg->mmap_offset);
	} while (bo == ERR_PTR(-EAGAIN));
	if (!bo)
		return -ENOENT;
	arg->mmap_offset = peer_vram_mmap_offset(bo);
	return peer_vram_respond_handle(cmd, bo, &arg->handle);
}

/* ---- dispatch --------------------------------------------------------- */

/**
 * struct peer_vram_ioctl - describes one ioctl
 * @fn:       performs the ioctl; returns 0 or -errno
 * @ksize:    size of the struct in this kernel, in bytes
 * @min_size: size of the struct in its first version, in bytes
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
	if (peer_vram_is_removed(cmd.file->vram))
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
