// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PCI devices: which device has a range of physical memory, and which driver it has.
 */
#include <linux/kernfs.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "maps_device.h"
#include "maps_pages.h"

/* Return: the BAR that contains the whole run, or NULL. */
static const struct resource *device_bar(struct pci_dev *device,
					 const struct maps_run *run)
{
	phys_addr_t last = run->phys + maps_run_size(run) - 1;
	const struct resource *bar;
	int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		bar = pci_resource_n(device, i);
		if (bar->flags & IORESOURCE_MEM && bar->start &&
		    bar->start <= run->phys && last <= bar->end)
			return bar;
	}
	return NULL;
}

/*
 * A file in sysfs belongs to one device. If that device was removed, another one may
 * have its addresses now. So the directory of the file must be the device's.
 */
bool maps_device_has(struct pci_dev *device, const struct maps_run *run)
{
	return device_bar(device, run) &&
	       (!run->sysfs_dir || run->sysfs_dir == device->dev.kobj.sd);
}

bool maps_device_has_registers(struct pci_dev *device, const struct maps_run *run)
{
	const struct resource *bar = device_bar(device, run);

	return !bar || !(bar->flags & IORESOURCE_PREFETCH);
}

struct pci_dev *maps_device_find(const struct maps_run *run)
{
	struct pci_dev *device = NULL;

	for_each_pci_dev(device)
		if (maps_device_has(device, run))
			break;
	return device;
}

bool maps_device_has_driver(struct pci_dev *device, const char *driver)
{
	const struct device_driver *drv;
	bool match;

	/* An unbound driver and its module are freed only after a grace period. */
	rcu_read_lock();
	drv = READ_ONCE(device->dev.driver);
	match = drv && !strcmp(drv->name, driver);
	rcu_read_unlock();
	return match;
}
