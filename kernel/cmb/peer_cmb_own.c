// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Controllers that belong to this driver, instead of the kernel's nvme: those
 * given to it by driver_override or new_id, and those whose addresses are in the
 * parameter "controllers" and that have no other driver. It takes no other, and
 * says no to them without touching them.
 *
 * The buffer is switched on as in NVMe 1.4 where the controller has CMBMSC, and is
 * just there where it has not (1.2, 1.3). A controller so switched on takes every
 * address between CMBMSC.CBA and its end for its own buffer before it asks the bus.
 * The buffer's own bus address is put there: no other thing can have it, also not
 * an I/O virtual address, since the IOMMU code keeps away from the bridges' windows.
 *
 * Up and down: at probe and removal, around a reset, in which the controller
 * forgets all of that, and around sleep. Down comes first for users: nobody
 * reaches the BAR, nor waits for the controller, when it is stopped.
 */
#include <linux/bits.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-hi-lo.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "peer_cmb_priv.h"

/* Status of CMBMSC: it cannot have the buffer at that address. */
#define PEER_CMB_REG_CMBSTS	0x58
#define PEER_CMB_CMBSTS_CBAI	BIT(0)

/* Of the table of ids: only if the parameter names it. */
#define PEER_CMB_IF_LISTED	1

#define PEER_CMB_LIST_MAX	32

static char *controllers[PEER_CMB_LIST_MAX];
static unsigned int nr_controllers;
module_param_array(controllers, charp, &nr_controllers, 0444);
MODULE_PARM_DESC(controllers,
		 "PCI addresses (0000:01:00.0,...) of controllers to take, if they have no driver");

/* ---- the buffer ------------------------------------------------------- */

static bool peer_cmb_has_cmbmsc(const struct peer_cmb_controller *ctrl)
{
	return NVME_CAP_CMBS(ctrl->cap);
}

static int peer_cmb_find(struct peer_cmb_controller *ctrl)
{
	u64 bar_sizes[PCI_STD_NUM_BARS];
	struct pci_dev *pdev = ctrl->pdev;
	u32 cmbloc, cmbsz;
	const char *wrong;
	unsigned int bar;

	/* Without it both registers read as 0. */
	if (peer_cmb_has_cmbmsc(ctrl))
		writel(NVME_CMBMSC_CRE, ctrl->regs + NVME_REG_CMBMSC);
	cmbsz = readl(ctrl->regs + NVME_REG_CMBSZ);
	cmbloc = readl(ctrl->regs + NVME_REG_CMBLOC);

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		bar_sizes[bar] = pci_resource_flags(pdev, bar) & IORESOURCE_MEM ?
			pci_resource_len(pdev, bar) : 0;
	wrong = peer_cmb_decode(cmbloc, cmbsz, bar_sizes, &ctrl->cmb);
	if (wrong) {
		dev_err(&pdev->dev, "%s (CMBLOC %#x, CMBSZ %#x)\n", wrong,
			cmbloc, cmbsz);
		return -ENODEV;
	}
	return 0;
}

/* Upper half first: the lower one switches on. */
static int peer_cmb_switch_on(struct peer_cmb_controller *ctrl)
{
	ctrl->cmb_bus = pci_bus_address(ctrl->pdev, ctrl->cmb.bar) +
			ctrl->cmb.offset;
	if (!peer_cmb_has_cmbmsc(ctrl))
		return 0;
	hi_lo_writeq(ctrl->cmb_bus | NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE,
		     ctrl->regs + NVME_REG_CMBMSC);
	if (readl(ctrl->regs + PEER_CMB_REG_CMBSTS) & PEER_CMB_CMBSTS_CBAI) {
		dev_err(&ctrl->pdev->dev,
			"the controller refuses to have its buffer at %#llx\n",
			ctrl->cmb_bus);
		return -ENODEV;
	}
	return 0;
}

static void peer_cmb_switch_off(struct peer_cmb_controller *ctrl)
{
	if (peer_cmb_has_cmbmsc(ctrl))
		hi_lo_writeq(0, ctrl->regs + NVME_REG_CMBMSC);
}

/* ---- up and down ------------------------------------------------------ */

static const struct ib_peer_bar_ops peer_cmb_own_ops = {
	.ioctl = peer_cmb_disk_ioctl,
};

static void peer_cmb_quiesce(struct peer_cmb_controller *ctrl)
{
	mutex_lock(&ctrl->lock);
	peer_cmb_stop(ctrl);
	mutex_unlock(&ctrl->lock);
}

static int peer_cmb_up(struct peer_cmb_controller *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	struct ib_peer_bar_desc desc = {
		.device = &pdev->dev,
		.ops = &peer_cmb_own_ops,
		.priv = ctrl,
	};
	int ret;

	if (readl(ctrl->regs + NVME_REG_CSTS) == ~0U) {
		dev_err(&pdev->dev, "the controller does not answer\n");
		return -ENODEV;
	}
	ctrl->cap = hi_lo_readq(ctrl->regs + NVME_REG_CAP);
	ctrl->leaving = false;
	/* Whoever had it before, firmware even, may have left it running. */
	peer_cmb_quiesce(ctrl);

	ret = peer_cmb_find(ctrl);
	if (ret)
		goto err_off;
	ret = peer_cmb_switch_on(ctrl);
	if (ret)
		goto err_off;
	desc.start = pci_resource_start(pdev, ctrl->cmb.bar) + ctrl->cmb.offset;
	desc.size = ctrl->cmb.size;
	ret = peer_cmb_offer(&ctrl->node, &desc);
	if (ret)
		goto err_off;
	return 0;

err_off:
	peer_cmb_switch_off(ctrl);
	return ret;
}

static void peer_cmb_down(struct peer_cmb_controller *ctrl)
{
	WRITE_ONCE(ctrl->leaving, true);
	peer_cmb_withdraw(&ctrl->node);
	peer_cmb_quiesce(ctrl);
	peer_cmb_switch_off(ctrl);
}

/* ---- PCI -------------------------------------------------------------- */

static int peer_cmb_map(struct peer_cmb_controller *ctrl)
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
	if (pci_resource_len(pdev, 0) < PEER_CMB_REGISTERS)
		goto err_regions;
	ret = -ENOMEM;
	ctrl->regs = ioremap(pci_resource_start(pdev, 0), PEER_CMB_REGISTERS);
	if (!ctrl->regs)
		goto err_regions;
	return 0;

err_regions:
	pci_release_mem_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return ret;
}

static void peer_cmb_unmap(struct peer_cmb_controller *ctrl)
{
	if (ctrl->shared)
		dma_free_coherent(&ctrl->pdev->dev, sizeof(*ctrl->shared),
				  ctrl->shared, ctrl->shared_bus);
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

	if (id->driver_data == PEER_CMB_IF_LISTED && !peer_cmb_is_listed(pdev))
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
	ret = peer_cmb_map(ctrl);
	if (ret)
		goto err_node;
	ret = peer_cmb_up(ctrl);
	if (ret)
		goto err_unmap;
	return 0;

err_unmap:
	peer_cmb_unmap(ctrl);
err_node:
	peer_cmb_node_fini(&ctrl->node);
	return ret;
}

static void peer_cmb_remove(struct pci_dev *pdev)
{
	struct peer_cmb_controller *ctrl = pci_get_drvdata(pdev);

	peer_cmb_down(ctrl);
	peer_cmb_unmap(ctrl);
	peer_cmb_node_fini(&ctrl->node);
}

static void peer_cmb_before(struct pci_dev *pdev)
{
	peer_cmb_down(pci_get_drvdata(pdev));
}

/* What is wrong, if it is, was said; without a node the driver stays. */
static void peer_cmb_after(struct pci_dev *pdev)
{
	peer_cmb_up(pci_get_drvdata(pdev));
}

static int peer_cmb_suspend(struct device *dev)
{
	peer_cmb_before(to_pci_dev(dev));
	return 0;
}

static int peer_cmb_resume(struct device *dev)
{
	peer_cmb_after(to_pci_dev(dev));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(peer_cmb_pm_ops, peer_cmb_suspend,
				peer_cmb_resume);

static const struct pci_error_handlers peer_cmb_errors = {
	.reset_prepare = peer_cmb_before,
	.reset_done = peer_cmb_after,
};

/*
 * No MODULE_DEVICE_TABLE: the module is loaded by name. Of the two the first is
 * for driver_override, for which new_id needs no entry.
 */
static const struct pci_device_id peer_cmb_ids[] = {
	{ PCI_DEVICE_CLASS(PCI_CLASS_STORAGE_EXPRESS, ~0),
	  .override_only = true },
	{ PCI_DEVICE_CLASS(PCI_CLASS_STORAGE_EXPRESS, ~0),
	  .driver_data = PEER_CMB_IF_LISTED },
	{}
};

static struct pci_driver peer_cmb_pci_driver = {
	.name = "peer_cmb",
	.id_table = peer_cmb_ids,
	.probe = peer_cmb_probe,
	.remove = peer_cmb_remove,
	.shutdown = peer_cmb_before,
	.err_handler = &peer_cmb_errors,
	.driver.pm = pm_sleep_ptr(&peer_cmb_pm_ops),
};

static int peer_cmb_check_list(void)
{
	unsigned int n, domain, bus, slot, function;
	char end;

	for (n = 0; n < nr_controllers; n++) {
		if (sscanf(controllers[n], "%4x:%2x:%2x.%1u%c", &domain, &bus,
			   &slot, &function, &end) == 4)
			continue;
		pr_err("peer_cmb: controllers: \"%s\" is not like 0000:01:00.0\n",
		       controllers[n]);
		return -EINVAL;
	}
	return 0;
}

int peer_cmb_own_init(void)
{
	int ret;

	ret = peer_cmb_check_list();
	return ret ? ret : pci_register_driver(&peer_cmb_pci_driver);
}

void peer_cmb_own_exit(void)
{
	pci_unregister_driver(&peer_cmb_pci_driver);
}
