// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Handles: numbers that name BOs in one open file.
 *
 * A new handle is reserved, then reported to the user, then published. Publishing
 * cannot fail. Before it, nobody can use or close the handle. A file may map a BO
 * as long as it has a handle of it.
 */
#include <drm/drm_vma_manager.h>
#include <linux/err.h>
#include <linux/xarray.h>

#include "peer_vram_handle.h"
#include "peer_vram_types.h"

#define PEER_VRAM_HANDLES_MAX 65536

/* The VMA manager compares the pointer, and never dereferences it. */
static struct drm_file *peer_vram_vma_tag(struct peer_vram_file *file)
{
	return (struct drm_file *)file;
}

bool peer_vram_may_map(struct peer_vram_file *file, struct peer_vram_bo *bo)
{
	return drm_vma_node_is_allowed(&bo->gem.vma_node,
				       peer_vram_vma_tag(file));
}

/**
 * peer_vram_handle_reserve() - reserve a handle for a BO
 * @file:   the open file
 * @bo:     the caller has a reference, which peer_vram_handle_publish() takes
 * @handle: out: the handle
 *
 * Return: 0; -EMFILE the file has no free handle; -ENOMEM.
 */
int peer_vram_handle_reserve(struct peer_vram_file *file,
			     struct peer_vram_bo *bo, u32 *handle)
{
	int ret;

	ret = drm_vma_node_allow(&bo->gem.vma_node,
				 peer_vram_vma_tag(file));
	if (ret)
		return ret;
	ret = xa_alloc(&file->handles, handle, NULL,
		       XA_LIMIT(1, PEER_VRAM_HANDLES_MAX), GFP_KERNEL_ACCOUNT);
	if (ret)
		drm_vma_node_revoke(&bo->gem.vma_node,
				    peer_vram_vma_tag(file));
	return ret == -EBUSY ? -EMFILE : ret;
}

void peer_vram_handle_publish(struct peer_vram_file *file,
			      struct peer_vram_bo *bo, u32 handle)
{
	void *old = xa_store(&file->handles, handle, bo, GFP_KERNEL);

	WARN_ON(old);
}

void peer_vram_handle_abort(struct peer_vram_file *file,
			    struct peer_vram_bo *bo, u32 handle)
{
	xa_erase(&file->handles, handle);
	drm_vma_node_revoke(&bo->gem.vma_node, peer_vram_vma_tag(file));
}

static void peer_vram_handle_drop(struct peer_vram_file *file,
				  struct peer_vram_bo *bo)
{
	drm_vma_node_revoke(&bo->gem.vma_node, peer_vram_vma_tag(file));
	peer_vram_bo_put(bo);
}

int peer_vram_handle_close(struct peer_vram_file *file, u32 handle)
{
	struct peer_vram_bo *bo;

	/* A reserved handle loads as NULL, and stays reserved. */
	xa_lock(&file->handles);
	bo = xa_load(&file->handles, handle);
	if (bo)
		__xa_erase(&file->handles, handle);
	xa_unlock(&file->handles);
	if (!bo)
		return -ENOENT;
	peer_vram_handle_drop(file, bo);
	return 0;
}

/* Return: the BO with a reference, or ERR_PTR(-ENOENT). */
struct peer_vram_bo *peer_vram_handle_get(struct peer_vram_file *file,
					  u32 handle)
{
	struct peer_vram_bo *bo;

	xa_lock(&file->handles);
	bo = xa_load(&file->handles, handle);
	if (bo)
		peer_vram_bo_get(bo);
	xa_unlock(&file->handles);
	return bo ?: ERR_PTR(-ENOENT);
}

void peer_vram_handles_init(struct peer_vram_file *file)
{
	xa_init_flags(&file->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
}

/* Closes all handles. The file has no other users any more. */
void peer_vram_handles_fini(struct peer_vram_file *file)
{
	struct peer_vram_bo *bo;
	unsigned long handle;

	xa_for_each(&file->handles, handle, bo)
		peer_vram_handle_drop(file, bo);
	xa_destroy(&file->handles);
}
