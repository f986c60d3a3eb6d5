// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The PCI driver: controllers that are bound to peer_cmb instead of nvme.
 *
 * It binds controllers that are given to it by driver_override or new_id, and
 * controllers that are listed in the parameter "controllers" and have no other
 * driver. Probing fails for all others, without access to their registers.
 *
 * On controllers with CMBMSC (NVMe 1.4) this register enables the buffer. Older
 * controllers (1.2, 1.3) have it always enabled. With CMBMSC, the controller treats
 * every address from CMBMSC.CBA to the end of the buffer as its own, and does not
 * use the bus for it. CBA is set to the PCI bus address of the buffer. Nothing else
 * can have that address, not even an I/O virtual address: the IOMMU code reserves
 * the windows of host bridges.
 *
 * A controller is activated by probe, after a reset (which clears the registers)
 * and by resume. It is deactivated before removal, shutdown, reset and suspend.
 * Deactivation first ends all use of the BAR and all waits for the controller.
 * Then it stops the controller.
 */
#include <linux/bits.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-hi-lo.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "peer_cmb_disk.h"
#include "peer_cmb_node.h"
#include "peer_cmb_nvme.h"
#include "peer_cmb_pci.h"
#include "peer_cmb_regs.h"

/* CMBSTS.CBAI: the controller rejects the address in CMBMSC.CBA. */
#define PEER_CMB_REG_CMBSTS	0x58
#define PEER_CMB_CMBSTS_CBAI	BIT(0)

/* driver_data of an ID: bind only if the parameter lists the controller. */
#define PEER_CMB_LISTED_ONLY	1

#define PEER_CMB_LIST_MAX	32

static char *controllers[PEER_CMB_LIST_MAX];
static unsigned int nr_controllers;
module_param_array(controllers, charp, &nr_controllers, 0444);
MODULE_PARM_DESC(controllers,
		 "PCI addresses (0000:01:00.0,...) of controllers to bind if they have no driver");

/* ---- the buffer ------------------------------------------------------- */

static bool peer_cmb_has_cmbmsc(const struct peer_cmb_controller *ctrl)
{
	return NVME_CAP_CMBS(ctrl->cap);
}

static int peer_cmb_detect(struct peer_cmb_controller *ctrl)
{
	u64 bar_sizes[PCI_STD_NUM_BARS];
	struct pci_dev *pdev = ctrl->pdev;
	u32 cmbloc, cmbsz;
	const char *error;
	unsigned int bar;

	/* Without CRE, CMBSZ and CMBLOC read as 0. */
	if (peer_cmb_has_cmbmsc(ctrl))
		writel(NVME_CMBMSC_CRE, ctrl->regs + NVME_REG_CMBMSC);
	cmbsz = readl(ctrl->regs + NVME_REG_CMBSZ);
	cmbloc = readl(ctrl->regs + NVME_REG_CMBLOC);

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		bar_sizes[bar] = pci_resource_flags(pdev, bar) & IORESOURCE_MEM ?
			pci_resource_len(pdev, bar) : 0;
	error = peer_cmb_decode(cmbloc, cmbsz, bar_sizes, &ctrl->cmb);
	if (error) {
		dev_err(&pdev->dev, "%s (CMBLOC %#x, CMBSZ %#x)\n", error,
			cmbloc, cmbsz);
		return -ENODEV;
	}
	return 0;
}

/* The upper half is written first: the lower half enables the buffer. */
static int peer_cmb_enable(struct peer_cmb_controller *ctrl)
{
	ctrl->cmb_bus = pci_bus_address(ctrl->pdev, ctrl->cmb.bar) +
			ctrl->cmb.offset;
	if (!peer_cmb_has_cmbmsc(ctrl))
		return 0;
	hi_lo_writeq(ctrl->cmb_bus | NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE,
		     ctrl->regs + NVME_REG_CMBMSC);
	if (readl(ctrl->regs + PEER_CMB_REG_CMBSTS) & PEER_CMB_CMBSTS_CBAI) {
		dev_err(&ctrl->pdev->dev,
			"the controller rejects the buffer address %#llx\n",
			ctrl->cmb_bus);
		return -ENODEV;
	}
	return 0;
}

static void peer_cmb_disable(struct peer_cmb_controller *ctrl)
{
	if (peer_cmb_has_cmbmsc(ctrl))
		hi_lo_writeq(0, ctrl->regs + NVME_REG_CMBMSC);
}

/* ---- activation ------------------------------------------------------- */

static const struct ib_peer_bar_ops peer_cmb_bar_ops = {
	.ioctl = peer_cmb_disk_ioctl,
};

static void peer_cmb_lock_and_stop(struct peer_cmb_controller *ctrl)
{
	mutex_lock(&ctrl->lock);
	peer_cmb_stop(ctrl);
	mutex_unlock(&ctrl->lock);
}

/* Errors are logged here. */
static int peer_cmb_activate(struct peer_cmb_controller *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	struct ib_peer_bar_desc desc = {
		.device = &pdev->dev,
		.ops = &peer_cmb_bar_ops,
		.priv = ctrl,
	};
	int ret;

	if (readl(ctrl->regs + NVME_REG_CSTS) == ~0U) {
		dev_err(&pdev->dev, "the controller does not respond\n");
		return -ENODEV;
	}
	ctrl->cap = hi_lo_readq(ctrl->regs + NVME_REG_CAP);
	ctrl->stopping = false;
	/* A previous driver, or the firmware, may have left it running. */
	peer_cmb_lock_and_stop(ctrl);

	ret = peer_cmb_detect(ctrl);
	if (ret)
		goto err_disable;
	ret = peer_cmb_enable(ctrl);
	if (ret)
		goto err_disable;
	desc.start = pci_resource_start(pdev, ctrl->cmb.bar) + ctrl->cmb.offset;
	desc.size = ctrl->cmb.size;
	ret = peer_cmb_node_register(&ctrl->node, &desc);
	if (ret)
		goto err_disable;
	return 0;

err_disable:
	peer_cmb_disable(ctrl);
	return ret;
}

static void peer_cmb_deactivate(struct peer_cmb_controller *ctrl)
{
	WRITE_ONCE(ctrl->stopping, true);
	peer_cmb_node_unregister(&ctrl->node);
	peer_cmb_lock_and_stop(ctrl);
	peer_cmb_disable(ctrl);
}

/* ---- PCI -------------------------------------------------------------- */

static int peer_cmb_pci_enable(struct peer_cmb_controller *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_mem_regions(pdev, "peer_cmb");
	if (ret)
		goto err_disable;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		goto err_regions;
	ret = -ENODEV;
	if (pci_resource_len(pdev, 0) < PEER_CMB_REGS_SIZE)
		goto err_regions;
	ret = -ENOMEM;
	ctrl->regs = ioremap(pci_resource_start(pdev, 0), PEER_CMB_REGS_SIZE);
	if (!ctrl->regs)
		goto err_regions;
	return 0;

err_regions:
	pci_release_mem_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return ret;
}

static void peer_cmb_pci_disable(struct peer_cmb_controller *ctrl)
{
	if (ctrl->shared)
		dma_free_coherent(&ctrl->pdev->dev, sizeof(*ctrl->shared),
				  ctrl->shared, ctrl->shared_dma);
	iounmap(ctrl->regs);
	pci_release_mem_regions(ctrl->pdev);
	pci_disable_device(ctrl->pdev);
}

static bool peer_cmb_is_listed(struct pci_dev *pdev)
{
	unsigned int n;

	for (n = 0; n < nr_controllers; n++)
		if (!strcmp(controllers[n], pci_name(pdev)))
			return true;
	return false;
}

static int peer_cmb_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct peer_cmb_controller *ctrl;
	int ret;

	if (id->driver_data == PEER_CMB_LISTED_ONLY && !peer_cmb_is_listed(pdev))
		return -ENODEV;
	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS) {
		dev_err(&pdev->dev, "this is not an NVMe controller\n");
		return -ENODEV;
	}
	ctrl = devm_kzalloc(&pdev->dev, sizeof(*ctrl), GFP_KERNEL);
	if (!ctrl)
		return -ENOMEM;
	ctrl->pdev = pdev;
	mutex_init(&ctrl->lock);
	pci_set_drvdata(pdev, ctrl);

	ret = peer_cmb_node_init(&ctrl->node);
	if (ret)
		return ret;
	ret = peer_cmb_pci_enable(ctrl);
	if (ret)
		goto err_node;
	ret = peer_cmb_activate(ctrl);
	if (ret)
		goto err_disable;
	return 0;

err_disable:
	peer_cmb_pci_disable(ctrl);
err_node:
	peer_cmb_node_fini(&ctrl->node);
	return ret;
}

static void peer_cmb_remove(struct pci_dev *pdev)
{
	struct peer_cmb_controller *ctrl = pci_get_drvdata(pdev);

	peer_cmb_deactivate(ctrl);
	peer_cmb_pci_disable(ctrl);
	peer_cmb_node_fini(&ctrl->node);
}

/* Before shutdown, reset and suspend. */
static void peer_cmb_quiesce(struct pci_dev *pdev)
{
	peer_cmb_deactivate(pci_get_drvdata(pdev));
}

/* After reset and by resume. After an error the driver stays bound without a node. */
static void peer_cmb_restore(struct pci_dev *pdev)
{
	peer_cmb_activate(pci_get_drvdata(pdev));
}

static int peer_cmb_suspend(struct device *dev)
{
	peer_cmb_quiesce(to_pci_dev(dev));
	return 0;
}

static int peer_cmb_resume(struct device *dev)
{
	peer_cmb_restore(to_pci_dev(dev));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(peer_cmb_pm_ops, peer_cmb_suspend,
				peer_cmb_resume);

static const struct pci_error_handlers peer_cmb_err_handler = {
	.reset_prepare = peer_cmb_quiesce,
	.reset_done = peer_cmb_restore,
};

/*
 * No MODULE_DEVICE_TABLE: the module is loaded by name only. The first entry is for
 * driver_override. IDs from new_id need no entry.
 */
static const struct pci_device_id peer_cmb_ids[] = {
	{ PCI_DEVICE_CLASS(PCI_CLASS_STORAGE_EXPRESS, ~0),
	  .override_only = true },
	{ PCI_DEVICE_CLASS(PCI_CLASS_STORAGE_EXPRESS, ~0),
	  .driver_data = PEER_CMB_LISTED_ONLY },
	{}
};

static struct pci_driver peer_cmb_pci_driver = {
	.name = "peer_cmb",
	.id_table = peer_cmb_ids,
	.probe = peer_cmb_probe,
	.remove = peer_cmb_remove,
	.shutdown = peer_cmb_quiesce,
	.err_handler = &peer_cmb_err_handler,
	.driver.pm = pm_sleep_ptr(&peer_cmb_pm_ops),
};

static int peer_cmb_check_controllers(void)
{
	unsigned int n, domain, bus, slot, function;
	char end;

	for (n = 0; n < nr_controllers; n++) {
		if (sscanf(controllers[n], "%4x:%2x:%2x.%1u%c", &domain, &bus,
			   &slot, &function, &end) == 4)
			continue;
		pr_err("peer_cmb: controllers: invalid PCI address \"%s\" (expected: 0000:01:00.0)\n",
		       controllers[n]);
		return -EINVAL;
	}
	return 0;
}

int peer_cmb_pci_init(void)
{
	int ret;

	ret = peer_cmb_check_controllers();
	return ret ? ret : pci_register_driver(&peer_cmb_pci_driver);
}

void peer_cmb_pci_exit(void)
{
	pci_unregister_driver(&peer_cmb_pci_driver);
}
