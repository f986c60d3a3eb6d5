// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The RDMA devices, by name. The RDMA core has a lookup by name for its own use
 * only. It gives names per network namespace where each device belongs to one.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>

#include "importers/device_list.h"

/*
 * struct device_entry - a device that is registered
 * @node: in devices
 * @name: a copy; @ibdev->name changes without a lock that is accessible here
 */
struct device_entry {
	struct list_head node;
	struct ib_device *ibdev;
	char name[IB_DEVICE_NAME_MAX];
};

static LIST_HEAD(devices);
/* Protects devices and the names in it. Nests inside locks of the RDMA core. */
static DEFINE_MUTEX(devices_lock);

static struct ib_client device_list_client;

/* The RDMA core calls these under a lock that excludes another rename. */
static int device_list_add(struct ib_device *ibdev)
{
	struct device_entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL);

	if (!entry)
		return -ENOMEM;
	entry->ibdev = ibdev;
	strscpy(entry->name, ibdev->name, sizeof(entry->name));
	mutex_lock(&devices_lock);
	list_add_tail(&entry->node, &devices);
	mutex_unlock(&devices_lock);
	ib_set_client_data(ibdev, &device_list_client, entry);
	return 0;
}

static void device_list_rename(struct ib_device *ibdev, void *data)
{
	struct device_entry *entry = data;

	mutex_lock(&devices_lock);
	strscpy(entry->name, ibdev->name, sizeof(entry->name));
	mutex_unlock(&devices_lock);
}

static void device_list_remove(struct ib_device *ibdev, void *data)
{
	struct device_entry *entry = data;

	mutex_lock(&devices_lock);
	list_del(&entry->node);
	mutex_unlock(&devices_lock);
	kfree(entry);
}

static struct ib_client device_list_client = {
	.name = "ib_peer_mem_devices",
	.add = device_list_add,
	.remove = device_list_remove,
	.rename = device_list_rename,
	.no_kverbs_req = true,
};

struct ib_device *ib_peer_device_get(const char *name)
{
	const struct net *net = current->nsproxy->net_ns;
	struct ib_device *found = NULL;
	struct device_entry *entry;

	mutex_lock(&devices_lock);
	list_for_each_entry(entry, &devices, node) {
		if (strcmp(entry->name, name) ||
		    !rdma_dev_access_netns(entry->ibdev, net))
			continue;
		if (ib_device_try_get(entry->ibdev))
			found = entry->ibdev;
		break;
	}
	mutex_unlock(&devices_lock);
	return found;
}

int ib_peer_device_list_init(void)
{
	return ib_register_client(&device_list_client);
}

void ib_peer_device_list_exit(void)
{
	ib_unregister_client(&device_list_client);
}
