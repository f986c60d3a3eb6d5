// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A PeerDirect client that owns no memory, built out of tree with the installed
 * files. Like clients of vendors, it registers only if the build has found the
 * symbols; otherwise loading it fails.
 */
#include <linux/errno.h>
#include <linux/module.h>

#ifdef PEER_MEM_SYMBOLS
#include <peer_mem.h>

static void *handle;

static int ofa_acquire(unsigned long addr, size_t size, void *private_data,
		       char *name, void **context)
{
	return 0;
}

static int ofa_get_pages(unsigned long addr, size_t size, int write, int force,
			 struct sg_table *sg_head, void *context,
			 u64 core_context)
{
	return -EINVAL;
}

static int ofa_dma_map(struct sg_table *sg_head, void *context,
		       struct device *dma_device, int dmasync, int *nmap)
{
	return -EINVAL;
}

static int ofa_dma_unmap(struct sg_table *sg_head, void *context,
			 struct device *dma_device)
{
	return 0;
}

static void ofa_put_pages(struct sg_table *sg_head, void *context)
{
}

static const struct peer_memory_client client = {
	.name = "ofa_client",
	.version = "1.0",
	.acquire = ofa_acquire,
	.get_pages = ofa_get_pages,
	.dma_map = ofa_dma_map,
	.dma_unmap = ofa_dma_unmap,
	.put_pages = ofa_put_pages,
};

static int __init ofa_init(void)
{
	handle = ib_register_peer_memory_client(&client, NULL);
	return handle ? 0 : -EINVAL;
}

static void __exit ofa_exit(void)
{
	ib_unregister_peer_memory_client(handle);
}
#else
static int __init ofa_init(void)
{
	return -EINVAL;
}

static void __exit ofa_exit(void)
{
}
#endif

module_init(ofa_init);
module_exit(ofa_exit);

MODULE_DESCRIPTION("PeerDirect client built with the installed files, for tests");
MODULE_LICENSE("Dual BSD/GPL");
