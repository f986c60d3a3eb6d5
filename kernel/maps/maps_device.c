// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PCI devices: which one has a piece of physical memory, what drives it, and when
 * either goes.
 *
 * Nobody else tells: a mapping of a file of sysfs outlives the driver, and even
 * the device, and what comes to have its addresses next.
 */
#include <linux/kernfs.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "maps_priv.h"

static bool device_has_memory(struct pci_dev *device,
			      const struct maps_run *run)
{
	phys_addr_t last = run->phys + maps_run_size(run) - 1;
	const struct resource *bar;
	int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		bar = pci_resource_n(device, i);
		if (bar->flags & IORESOURCE_MEM && bar->start &&
		    bar->start <= run->phys && last <= bar->end)
			return true;
	}
	return false;
}

/*
 * Does one BAR of the device have all of it? A file of sysfs is of one device; if
 * that has gone, another one may have its addresses by now.
 */
bool maps_device_has(struct pci_dev *device, const struct maps_run *run)
{
	return device_has_memory(device, run) &&
	       (!run->folder || run->folder == device->dev.kobj.sd);
}

/* The caller puts it. NULL: none, so the memory cannot be watched. */
struct pci_dev *maps_device_find(const struct maps_run *run)
{
	struct pci_dev *device = NULL;

	for_each_pci_dev(device)
		if (maps_device_has(device, run))
			break;
	return device;
}

bool maps_device_is_driven_by(struct pci_dev *device, const char *driver)
{
	const struct device_driver *drv;
	bool is;

	/* It may go meanwhile, and its module, but not before a grace period. */
	rcu_read_lock();
	drv = READ_ONCE(device->dev.driver);
	is = drv && !strcmp(drv->name, driver);
	rcu_read_unlock();
	return is;
}

/*
 * Before, so that the driver finds nobody there, and again after: pages may have
 * come in between.
 */
static int device_notify(struct notifier_block *block, unsigned long action,
			 void *data)
{
	switch (action) {
	case BUS_NOTIFY_UNBIND_DRIVER:
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DEL_DEVICE:
	case BUS_NOTIFY_REMOVED_DEVICE:
		maps_policy_revoke_device(to_pci_dev(data));
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block device_block = {
	.notifier_call = device_notify,
};

int maps_device_init(void)
{
	return bus_register_notifier(&pci_bus_type, &device_block);
}

void maps_device_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &device_block);
}
