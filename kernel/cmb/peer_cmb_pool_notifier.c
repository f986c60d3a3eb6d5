// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registers the p2pmem pools of controllers that the kernel's nvme driver has bound,
 * on kernels with CONFIG_PCI_P2PDMA. Users share the buffer with a disk in use.
 *
 * An allocation holds the struct pages of the pool. The removal of the nvme driver
 * would wait for it. So BUS_NOTIFY_UNBIND_DRIVER, which comes before the removal,
 * ends all use and frees all allocations.
 *
 * Lock order: device_lock(), then peer_cmb_pools_lock.
 */
#include <linux/device/bus.h>
#include <linux/kernfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "peer_cmb_node.h"
#include "peer_cmb_pool.h"
#include "peer_cmb_pool_io.h"
#include "peer_cmb_pool_notifier.h"

static LIST_HEAD(peer_cmb_pools);
static DEFINE_MUTEX(peer_cmb_pools_lock);

/* ---- registration ----------------------------------------------------- */

static const struct ib_peer_bar_ops peer_cmb_pool_ops = {
	.alloc = peer_cmb_pool_alloc,
	.free = peer_cmb_pool_free,
	.available = peer_cmb_pool_available,
	.ioctl = peer_cmb_pool_ioctl,
};

static int peer_cmb_pool_register(struct peer_cmb_pool *pool)
{
	struct ib_peer_bar_desc desc = {
		.device = &pool->pdev->dev,
		.ops = &peer_cmb_pool_ops,
		.priv = pool,
	};
	int ret;

	peer_cmb_pool_find_size(pool);
	if (!pool->size) {
		dev_info(&pool->pdev->dev,
			 "no free memory in the p2pmem pool\n");
		return -ENOSPC;
	}
	desc.start = pool->start;
	desc.size = pool->size;
	ret = peer_cmb_node_init(&pool->node);
	if (ret)
		return ret;
	ret = peer_cmb_node_register(&pool->node, &desc);
	if (ret)
		peer_cmb_node_fini(&pool->node);
	return ret;
}

/* The caller holds peer_cmb_pools_lock. */
static struct peer_cmb_pool *peer_cmb_pool_find(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	list_for_each_entry(pool, &peer_cmb_pools, list)
		if (pool->pdev == pdev)
			return pool;
	return NULL;
}

/*
 * nvme publishes a pool if the controller can transfer data from and to it. The kernel
 * does not export its check. pci_p2pdma_enable_store() makes it, but logs an error if
 * the answer is no, so it is asked only about devices with a pool. Others are not tried
 * with pci_alloc_p2pmem(): it uses a null pointer where P2PDMA was initialized without a
 * pool, as by vfio-pci.
 */
static bool peer_cmb_pool_is_published(struct pci_dev *pdev)
{
	struct kernfs_node *group = kernfs_find_and_get(pdev->dev.kobj.sd, "p2pmem");
	struct pci_dev *found = NULL;
	bool use;
	int ret;

	if (!group)
		return false;
	kernfs_put(group);
	ret = pci_p2pdma_enable_store(pci_name(pdev), &found, &use);
	if (!ret)
		pci_dev_put(found);
	return !ret;
}

/* The caller holds device_lock(). */
static void peer_cmb_pool_add(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS || !peer_cmb_pool_is_published(pdev))
		return;
	guard(mutex)(&peer_cmb_pools_lock);
	if (peer_cmb_pool_find(pdev))
		return;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return;
	pool->pdev = pdev;
	if (peer_cmb_pool_register(pool))
		kfree(pool);
	else
		list_add_tail(&pool->list, &peer_cmb_pools);
}

static void peer_cmb_pool_destroy(struct peer_cmb_pool *pool)
{
	list_del(&pool->list);
	peer_cmb_node_unregister(&pool->node);
	peer_cmb_node_fini(&pool->node);
	kfree(pool);
}

static void peer_cmb_pool_remove(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	guard(mutex)(&peer_cmb_pools_lock);
	pool = peer_cmb_pool_find(pdev);
	if (pool)
		peer_cmb_pool_destroy(pool);
}

/* ---- bus notifier ----------------------------------------------------- */

static int peer_cmb_pool_notify(struct notifier_block *nb,
				unsigned long event, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	if (event == BUS_NOTIFY_BOUND_DRIVER)
		peer_cmb_pool_add(pdev);
	else if (event == BUS_NOTIFY_UNBIND_DRIVER)
		peer_cmb_pool_remove(pdev);
	return NOTIFY_OK;
}

static struct notifier_block peer_cmb_pool_nb = {
	.notifier_call = peer_cmb_pool_notify,
};

int peer_cmb_pool_init(void)
{
	struct pci_dev *pdev = NULL;
	int ret;

	ret = bus_register_notifier(&pci_bus_type, &peer_cmb_pool_nb);
	if (ret)
		return ret;
	/* Controllers that are bound already. */
	for_each_pci_dev(pdev) {
		device_lock(&pdev->dev);
		if (pdev->dev.driver)
			peer_cmb_pool_add(pdev);
		device_unlock(&pdev->dev);
	}
	return 0;
}

void peer_cmb_pool_exit(void)
{
	struct peer_cmb_pool *pool, *next;

	bus_unregister_notifier(&pci_bus_type, &peer_cmb_pool_nb);
	guard(mutex)(&peer_cmb_pools_lock);
	list_for_each_entry_safe(pool, next, &peer_cmb_pools, list)
		peer_cmb_pool_destroy(pool);
}
