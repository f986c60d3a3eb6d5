// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: exports the registers of QEMU's "edu" device as peer memory.
 * /dev/peer_test_edu is their first page, for all users: it has the doorbell of
 * an engine that computes factorials.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <rdma/ib_peer_bar.h>

static bool deny;
module_param(deny, bool, 0644);
MODULE_PARM_DESC(deny, "deny new registrations");

static int edu_allow(struct ib_peer_region *region, void *priv)
{
	return READ_ONCE(deny) ? -EACCES : 0;
}

static const struct ib_peer_bar_ops edu_ops = {
	.allow = edu_allow,
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct ib_peer_bar *bar;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	bar = ib_peer_bar_add(&(struct ib_peer_bar_desc){
		.name = "peer_test_edu",
		.owner = THIS_MODULE,
		.device = &pdev->dev,
		.start = pci_resource_start(pdev, 0),
		.size = PAGE_SIZE,
		.flags = IB_PEER_BAR_SHARED | IB_PEER_BAR_REGISTERS,
		.ops = &edu_ops,
	});
	pci_set_drvdata(pdev, bar);
	return PTR_ERR_OR_ZERO(bar);
}

static void edu_remove(struct pci_dev *pdev)
{
	ib_peer_bar_remove(pci_get_drvdata(pdev));
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver edu_driver = {
	.name = "peer_test_edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("Registers of QEMU's edu device as peer memory");
MODULE_LICENSE("Dual BSD/GPL");
