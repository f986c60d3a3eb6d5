// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: a DMA engine as RDMA devices, see edu.h. The PCI device can be
 * added and removed; there is at most one.
 */
#include <linux/module.h>

#include "edu.h"

static void remove_devices(struct edu *edu)
{
	int i;

	for (i = EDU_RDMA_DEVICES - 1; i >= 0; i--)
		if (edu->devices[i])
			edu_device_remove(edu->devices[i]);
}

static int add_devices(struct edu *edu)
{
	struct edu_device *dev;
	int i;

	for (i = 0; i < EDU_RDMA_DEVICES; i++) {
		dev = edu_device_add(edu, i);
		if (IS_ERR(dev)) {
			remove_devices(edu);
			return PTR_ERR(dev);
		}
		edu->devices[i] = dev;
	}
	return 0;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	int ret;

	edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	ret = edu_engine_init(&edu->engine, pdev);
	if (ret)
		return ret;
	ret = add_devices(edu);
	if (ret)
		return ret;
	pci_set_drvdata(pdev, edu);
	down_write(&edu_lock);
	ret = edu_instance ? -EBUSY : 0;
	if (!ret)
		edu_instance = edu;
	up_write(&edu_lock);
	if (ret)
		remove_devices(edu);
	return ret;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	/* Waits for accesses in progress. */
	down_write(&edu_lock);
	edu_instance = NULL;
	up_write(&edu_lock);
	remove_devices(edu);
	pci_clear_master(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver edu_driver = {
	.name = "edu_rdma",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

static int __init edu_init(void)
{
	int ret = edu_chardev_add();

	if (ret)
		return ret;
	ret = pci_register_driver(&edu_driver);
	if (ret)
		edu_chardev_remove();
	return ret;
}

static void __exit edu_exit(void)
{
	pci_unregister_driver(&edu_driver);
	edu_chardev_remove();
}

module_init(edu_init);
module_exit(edu_exit);

MODULE_DESCRIPTION("peermem tests: QEMU's edu device as RDMA devices");
MODULE_LICENSE("Dual BSD/GPL");
