// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Controllers that the kernel's nvme driver has, on kernels with P2PDMA: that
 * driver publishes a pool of the controller's memory buffer, and what is
 * allocated here comes from it, beside a disk in use.
 *
 * The kernel does not say how large a pool is. What can be had in one piece when
 * the driver has bound the controller is taken for all there is, and given back at
 * once; a piece that lies elsewhere, because others gave back theirs since, is not
 * taken. Others take from the pool, too, so less may be left than is said.
 *
 * An allocation keeps the pool's struct pages, and with them the driver's removal
 * would wait for it. So all use ends before: the bus tells of the removal first.
 *
 * Lock order: the device's lock of the driver core, then peer_cmb_pools_lock.
 */
#include <linux/io.h>
#include <linux/list.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "peer_cmb_priv.h"

/**
 * struct peer_cmb_pool - a controller's pool on offer
 * @list:  in peer_cmb_pools
 * @pdev:  the controller
 * @node:  that it is offered by
 * @start: of the range that allocations may come from, CPU physical
 * @size:  of it
 * @used:  bytes allocated here; under the lock of the bar, which calls the ops
 */
struct peer_cmb_pool {
	struct list_head list;
	struct pci_dev *pdev;
	struct peer_cmb_node node;
	phys_addr_t start;
	u64 size;
	u64 used;
};

static LIST_HEAD(peer_cmb_pools);
static DEFINE_MUTEX(peer_cmb_pools_lock);

/* ---- allocations ------------------------------------------------------ */

void *peer_cmb_pool_addr(struct peer_cmb_pool *pool, u64 place)
{
	return phys_to_virt(pool->start + place);
}

static int peer_cmb_pool_alloc(u64 length, u64 *offset, void *priv)
{
	struct peer_cmb_pool *pool = priv;
	phys_addr_t place;
	void *addr;

	addr = pci_alloc_p2pmem(pool->pdev, length);
	if (!addr)
		return -ENOSPC;
	place = virt_to_phys(addr);
	if (place < pool->start || place - pool->start > pool->size - length) {
		pci_free_p2pmem(pool->pdev, addr, length);
		return -ENOSPC;
	}
	*offset = place - pool->start;
	pool->used += length;
	return 0;
}

static void peer_cmb_pool_free(u64 offset, u64 length, void *priv)
{
	struct peer_cmb_pool *pool = priv;

	pci_free_p2pmem(pool->pdev, peer_cmb_pool_addr(pool, offset), length);
	pool->used -= length;
}

static u64 peer_cmb_pool_available(void *priv)
{
	struct peer_cmb_pool *pool = priv;

	return pool->size - pool->used;
}

static const struct ib_peer_bar_ops peer_cmb_pool_ops = {
	.alloc = peer_cmb_pool_alloc,
	.free = peer_cmb_pool_free,
	.available = peer_cmb_pool_available,
	.ioctl = peer_cmb_pool_ioctl,
};

/* ---- pools come and go ------------------------------------------------ */

/* Can so much be had? Then it lies at *start. */
static bool peer_cmb_pool_has(struct pci_dev *pdev, u64 size, phys_addr_t *start)
{
	void *addr = pci_alloc_p2pmem(pdev, size);

	if (!addr)
		return false;
	*start = virt_to_phys(addr);
	pci_free_p2pmem(pdev, addr, size);
	return true;
}

/* The largest piece. No BAR with a buffer has more than all of them. */
static void peer_cmb_pool_measure(struct peer_cmb_pool *pool)
{
	u64 most = 0, least = 0, pages;
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		most = max(most, pci_resource_len(pool->pdev, bar) >> PAGE_SHIFT);
	while (least < most) {
		pages = most - (most - least) / 2;
		if (peer_cmb_pool_has(pool->pdev, pages << PAGE_SHIFT,
				      &pool->start))
			least = pages;
		else
			most = pages - 1;
	}
	pool->size = least << PAGE_SHIFT;
}

static int peer_cmb_pool_offer(struct peer_cmb_pool *pool)
{
	struct ib_peer_bar_desc desc = {
		.device = &pool->pdev->dev,
		.ops = &peer_cmb_pool_ops,
		.priv = pool,
	};
	int ret;

	peer_cmb_pool_measure(pool);
	if (!pool->size) {
		dev_info(&pool->pdev->dev,
			 "nothing is left of the controller memory buffer\n");
		return -ENOSPC;
	}
	desc.start = pool->start;
	desc.size = pool->size;
	ret = peer_cmb_node_init(&pool->node);
	if (ret)
		return ret;
	ret = peer_cmb_offer(&pool->node, &desc);
	if (ret)
		peer_cmb_node_fini(&pool->node);
	return ret;
}

static struct peer_cmb_pool *peer_cmb_pool_find(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	list_for_each_entry(pool, &peer_cmb_pools, list)
		if (pool->pdev == pdev)
			return pool;
	return NULL;
}

/* With the device's lock held, as the bus tells. */
static void peer_cmb_pool_add(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS || !pci_has_p2pmem(pdev))
		return;
	guard(mutex)(&peer_cmb_pools_lock);
	if (peer_cmb_pool_find(pdev))
		return;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return;
	pool->pdev = pdev;
	if (peer_cmb_pool_offer(pool))
		kfree(pool);
	else
		list_add_tail(&pool->list, &peer_cmb_pools);
}

static void peer_cmb_pool_end(struct peer_cmb_pool *pool)
{
	list_del(&pool->list);
	peer_cmb_withdraw(&pool->node);
	peer_cmb_node_fini(&pool->node);
	kfree(pool);
}

static void peer_cmb_pool_remove(struct pci_dev *pdev)
{
	struct peer_cmb_pool *pool;

	guard(mutex)(&peer_cmb_pools_lock);
	pool = peer_cmb_pool_find(pdev);
	if (pool)
		peer_cmb_pool_end(pool);
}

static int peer_cmb_pool_notify(struct notifier_block *block,
				unsigned long event, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	if (event == BUS_NOTIFY_BOUND_DRIVER)
		peer_cmb_pool_add(pdev);
	else if (event == BUS_NOTIFY_UNBIND_DRIVER)
		peer_cmb_pool_remove(pdev);
	return NOTIFY_OK;
}

static struct notifier_block peer_cmb_pool_block = {
	.notifier_call = peer_cmb_pool_notify,
};

int peer_cmb_pool_init(void)
{
	struct pci_dev *pdev = NULL;
	int ret;

	ret = bus_register_notifier(&pci_bus_type, &peer_cmb_pool_block);
	if (ret)
		return ret;
	/* Those that are bound already. */
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

	bus_unregister_notifier(&pci_bus_type, &peer_cmb_pool_block);
	guard(mutex)(&peer_cmb_pools_lock);
	list_for_each_entry_safe(pool, next, &peer_cmb_pools, list)
		peer_cmb_pool_end(pool);
}
