// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * P2P routes: whether a device reaches the memory of another one, and by
 * which address. That depends on the pair of devices and on what lies between
 * them.
 *
 * Below a common PCI switch, requests go directly from one device to the
 * other, by bus address, unless a port redirects them to the IOMMU (ACS).
 * Otherwise they go up to the host bridge and down again, by physical or
 * IOMMU address. Whether a host bridge forwards them cannot be detected, only
 * known.
 *
 * The kernel's P2PDMA needs struct pages for such memory, which exporters
 * here do not have. So only its list of host bridges is used, where it is
 * built in.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <rdma/peer_mem.h>

static char *p2p_bridges;
module_param(p2p_bridges, charp, 0644);
MODULE_PARM_DESC(p2p_bridges,
		 "host bridges that forward requests between devices: a comma-separated list of vendor:device of their function 00.0, in hexadecimal; or \"all\"");

/*
 * No cache lies between the devices; for system pages the importer's driver
 * does the sync. Memory that is registered twice is mapped twice.
 */
#define P2P_ATTRS DMA_ATTR_SKIP_CPU_SYNC

enum p2p_route {
	P2P_NONE,
	P2P_BUS,	/* directly, below a switch */
	P2P_UP,		/* through the host bridge */
};

/* Return: the PCI device that does the DMA: @device or one of its parents. */
static struct pci_dev *p2p_pci(struct device *device)
{
	for (; device; device = device->parent)
		if (dev_is_pci(device))
			return to_pci_dev(device);
	return NULL;
}

/* The port redirects requests between its siblings upstream. */
static bool p2p_redirects(struct pci_dev *port)
{
	int acs = pci_find_ext_capability(port, PCI_EXT_CAP_ID_ACS);
	u16 control;

	if (!acs)
		return false;
	pci_read_config_word(port, acs + PCI_ACS_CTRL, &control);
	return control & (PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC);
}

/* @bridge is above @pdev, and no port between them redirects. */
static bool p2p_is_direct(struct pci_dev *pdev, struct pci_dev *bridge)
{
	while (pdev && pdev != bridge) {
		if (p2p_redirects(pdev))
			return false;
		pdev = pci_upstream_bridge(pdev);
	}
	return pdev;
}

/* True if a switch is above both. A root port belongs to the host bridge. */
static bool p2p_share_switch(struct pci_dev *a, struct pci_dev *b)
{
	struct pci_dev *bridge;

	for (bridge = pci_upstream_bridge(a); bridge;
	     bridge = pci_upstream_bridge(bridge))
		if (pci_pcie_type(bridge) != PCI_EXP_TYPE_ROOT_PORT &&
		    p2p_is_direct(a, bridge) && p2p_is_direct(b, bridge))
			return true;
	return false;
}

/* NULL: more than one, or none. */
static bool p2p_list_matches(const char *list, const struct pci_dev *bridge)
{
	unsigned int vendor, device;

	if (!list)
		return false;
	if (sysfs_streq(list, "all"))
		return true;
	for (; bridge && list; list = strchr(list, ',')) {
		list += *list == ',';
		if (sscanf(list, "%x:%x", &vendor, &device) == 2 &&
		    bridge->vendor == vendor && bridge->device == device)
			return true;
	}
	return false;
}

/* The list of the administrator (module parameter p2p_bridges). */
static bool p2p_is_listed(const struct pci_dev *bridge)
{
	bool listed;

	kernel_param_lock(THIS_MODULE);
	listed = p2p_list_matches(p2p_bridges, bridge);
	kernel_param_unlock(THIS_MODULE);
	return listed;
}

/* The host bridge above both devices forwards requests between them. */
static bool p2p_host_bridge_forwards(struct pci_dev *pdev, struct pci_dev *owner)
{
	struct pci_dev *root;
	bool listed;

	if (pci_find_host_bridge(pdev->bus) != pci_find_host_bridge(owner->bus))
		return p2p_is_listed(NULL);
	root = pci_get_domain_bus_and_slot(pci_domain_nr(owner->bus),
					   pci_find_host_bridge(owner->bus)->bus->number,
					   PCI_DEVFN(0, 0));
	listed = p2p_is_listed(root);
	pci_dev_put(root);
#ifdef CONFIG_X86
	listed |= boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
		  boot_cpu_data.x86 >= 0x17;
#endif
	return listed;
}

/* The kernel's own list; it also considers the IOMMU of the devices. */
static bool p2p_kernel_allows(struct pci_dev *pdev, struct pci_dev *owner)
{
	struct device *client = &pdev->dev;

	return IS_ENABLED(CONFIG_PCI_P2PDMA) &&
	       pci_p2pdma_distance_many(owner, &client, 1, false) >= 0;
}

static enum p2p_route p2p_find_route(struct device *device, struct pci_dev *owner)
{
	struct pci_dev *pdev = p2p_pci(device);

	if (!pdev)
		return p2p_is_listed(NULL) ? P2P_UP : P2P_NONE;
	if (pdev != owner && p2p_share_switch(pdev, owner))
		return P2P_BUS;
	if (p2p_host_bridge_forwards(pdev, owner) || p2p_kernel_allows(pdev, owner))
		return P2P_UP;
	return P2P_NONE;
}

int ib_peer_p2p(struct device *device, struct pci_dev *owner)
{
	return p2p_find_route(device, owner) == P2P_NONE ? -EREMOTEIO : 0;
}
EXPORT_SYMBOL_GPL(ib_peer_p2p);

static dma_addr_t p2p_bus_address(struct pci_dev *owner, phys_addr_t phys)
{
	struct resource res = { .start = phys, .end = phys,
				.flags = IORESOURCE_MEM };
	struct pci_bus_region bus;

	pcibios_resource_to_bus(owner->bus, &bus, &res);
	return bus.start;
}

int ib_peer_dma_map(struct ib_peer_region *region, struct pci_dev *owner,
		    phys_addr_t phys, size_t length, dma_addr_t *addr)
{
	struct device *device = region->dma_device;

	/*
	 * A route stays once it is chosen, so that unmapping matches mapping.
	 */
	if (region->p2p_route == P2P_NONE)
		region->p2p_route = p2p_find_route(device, owner);
	switch (region->p2p_route) {
	case P2P_BUS:
		*addr = p2p_bus_address(owner, phys);
		return 0;
	case P2P_UP:
		*addr = dma_map_resource(device, phys, length,
					 DMA_BIDIRECTIONAL, P2P_ATTRS);
		return dma_mapping_error(device, *addr) ? -EIO : 0;
	default:
		return -EREMOTEIO;
	}
}
EXPORT_SYMBOL_GPL(ib_peer_dma_map);

void ib_peer_dma_unmap(struct ib_peer_region *region, dma_addr_t addr,
		       size_t length)
{
	if (region->p2p_route == P2P_UP)
		dma_unmap_resource(region->dma_device, addr, length,
				   DMA_BIDIRECTIONAL, P2P_ATTRS);
}
EXPORT_SYMBOL_GPL(ib_peer_dma_unmap);

static phys_addr_t p2p_phys(struct device *device, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(device);

	return domain ? iommu_iova_to_phys(domain, addr) :
			dma_to_phys(device, addr);
}

int ib_peer_dma_map_pages(struct ib_peer_region *region, struct page *page,
			  size_t length, dma_addr_t *addr)
{
	struct device *device = region->dma_device;

	*addr = dma_map_page_attrs(device, page, 0, length, DMA_BIDIRECTIONAL,
				   P2P_ATTRS);
	if (dma_mapping_error(device, *addr))
		return -EIO;
	/* A bounce buffer is not the memory itself. */
	if (p2p_phys(device, *addr) != page_to_phys(page)) {
		ib_peer_dma_unmap_pages(region, *addr, length);
		return -EREMOTEIO;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(ib_peer_dma_map_pages);

void ib_peer_dma_unmap_pages(struct ib_peer_region *region, dma_addr_t addr,
			     size_t length)
{
	dma_unmap_page_attrs(region->dma_device, addr, length,
			     DMA_BIDIRECTIONAL, P2P_ATTRS);
}
EXPORT_SYMBOL_GPL(ib_peer_dma_unmap_pages);
