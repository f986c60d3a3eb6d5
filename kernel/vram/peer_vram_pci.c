// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * VRAM of a PCI device: QEMU's ivshmem-plain, whose memory BAR is the VRAM.
 *
 * There is no MODULE_DEVICE_TABLE on purpose: virtual machines also use ivshmem to
 * share memory, and this driver overwrites that memory. Load it by name.
 */
#include <linux/err.h>
#include <linux/pci.h>

#include "peer_vram_device.h"
#include "peer_vram_memory.h"
#include "peer_vram_pci.h"

#define PEER_VRAM_BAR 2

/* ivshmem-doorbell has this BAR: other virtual machines use its memory. */
#define PEER_VRAM_MSIX_BAR 1

static int peer_vram_pci_probe(struct pci_dev *pdev,
			       const struct pci_device_id *id)
{
	struct peer_vram_device *vram;
	int ret;

	if (pci_resource_len(pdev, PEER_VRAM_MSIX_BAR)) {
		dev_err(&pdev->dev, "ivshmem-doorbell: use ivshmem-plain\n");
		return -ENODEV;
	}
	vram = peer_vram_device_alloc(&pdev->dev);
	if (IS_ERR(vram))
		return PTR_ERR(vram);
	ret = peer_vram_memory_of_bar(vram, pdev, PEER_VRAM_BAR);
	return ret ? ret : peer_vram_device_add(vram);
}

static void peer_vram_pci_remove(struct pci_dev *pdev)
{
	peer_vram_device_remove(pci_get_drvdata(pdev));
}

static const struct pci_device_id peer_vram_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};

static struct pci_driver peer_vram_pci_driver = {
	.name = "peer_vram",
	.id_table = peer_vram_pci_ids,
	.probe = peer_vram_pci_probe,
	.remove = peer_vram_pci_remove,
};

int peer_vram_pci_init(void)
{
	return pci_register_driver(&peer_vram_pci_driver);
}

void peer_vram_pci_exit(void)
{
	pci_unregister_driver(&peer_vram_pci_driver);
}
