// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Revokes regions when their PCI device is removed, or its driver is unbound.
 *
 * Nothing else reports that: a mapping of a sysfs file remains after the driver and
 * even the device are gone. It then maps whatever gets the addresses next.
 */
#include <linux/device/bus.h>
#include <linux/notifier.h>
#include <linux/pci.h>

#include "maps_bus_notifier.h"
#include "maps_policy.h"

/*
 * The first event of each pair comes before the driver's remove(), so that the
 * driver finds no access. The second one revokes regions that got pages in between.
 */
static int bus_notify(struct notifier_block *nb, unsigned long action,
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

static struct notifier_block bus_nb = {
	.notifier_call = bus_notify,
};

int maps_bus_notifier_init(void)
{
	return bus_register_notifier(&pci_bus_type, &bus_nb);
}

void maps_bus_notifier_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &bus_nb);
}
