// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The device for which PeerDirect clients map on behalf of CPU importers. It
 * has no IOMMU, so its DMA addresses are CPU physical addresses.
 *
 * Vendors' clients expect a PCI device and read its fields. So this is a
 * struct pci_dev on the first bus, with no IDs and no resources, unknown to
 * the PCI core.
 */
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "adapters/peerdirect_device.h"

static struct pci_dev *cpu_device;

static void cpu_device_release(struct device *dev)
{
	kfree(to_pci_dev(dev));
}

struct device *ib_peerdirect_device(void)
{
	return &cpu_device->dev;
}

int ib_peerdirect_device_init(void)
{
	int ret;

	cpu_device = kzalloc(sizeof(*cpu_device), GFP_KERNEL);
	if (!cpu_device)
		return -ENOMEM;
	cpu_device->bus = pci_find_next_bus(NULL);
	device_initialize(&cpu_device->dev);
	cpu_device->dev.release = cpu_device_release;
	ret = dev_set_name(&cpu_device->dev, "ib_peer_mem");
	if (!ret)
		ret = dma_coerce_mask_and_coherent(&cpu_device->dev,
						   DMA_BIT_MASK(64));
	if (ret)
		put_device(&cpu_device->dev);
	return ret;
}

void ib_peerdirect_device_exit(void)
{
	put_device(&cpu_device->dev);
}
