// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The RDMA devices, as far as the RDMA core needs them: contexts, protection
 * domains and attributes.
 */
#include "edu.h"

struct edu_ucontext {
	struct ib_ucontext ib;
};

struct edu_pd {
	struct ib_pd ib;
};

static int edu_query_device(struct ib_device *ib, struct ib_device_attr *attr,
			    struct ib_udata *udata)
{
	attr->vendor_id = 0x1234;
	attr->vendor_part_id = 0x11e8;
	attr->max_mr_size = U64_MAX;
	attr->page_size_cap = PAGE_SIZE;
	attr->max_mr = 0xffffff;
	attr->max_pd = INT_MAX;
	/* Needed for protection domains of the kernel; it is never used. */
	attr->kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
	/* Like a device with page faults, but not for system memory. */
	if (to_edu_device(ib)->index == EDU_RDMA_DYNAMIC)
		attr->kernel_cap_flags |= IBK_ON_DEMAND_PAGING;
	return 0;
}

static int edu_query_port(struct ib_device *ib, u32 port,
			  struct ib_port_attr *attr)
{
	attr->state = IB_PORT_ACTIVE;
	attr->phys_state = IB_PORT_PHYS_STATE_LINK_UP;
	attr->active_width = IB_WIDTH_1X;
	attr->active_speed = IB_SPEED_SDR;
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = IB_MTU_4096;
	return 0;
}

static int edu_get_port_immutable(struct ib_device *ib, u32 port,
				  struct ib_port_immutable *immutable)
{
	return 0;
}

static enum rdma_link_layer edu_get_link_layer(struct ib_device *ib, u32 port)
{
	return IB_LINK_LAYER_UNSPECIFIED;
}

static int edu_alloc_ucontext(struct ib_ucontext *ucontext,
			      struct ib_udata *udata)
{
	return 0;
}

static void edu_dealloc_ucontext(struct ib_ucontext *ucontext)
{
}

/* Must exist, so that the device can be removed before its users. */
static void edu_disassociate_ucontext(struct ib_ucontext *ucontext)
{
}

static int edu_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static int edu_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static const struct ib_device_ops edu_ops = {
	.owner = THIS_MODULE,
	.uverbs_abi_ver = 1,

	.alloc_pd = edu_alloc_pd,
	.alloc_ucontext = edu_alloc_ucontext,
	.dealloc_pd = edu_dealloc_pd,
	.dealloc_ucontext = edu_dealloc_ucontext,
	.disassociate_ucontext = edu_disassociate_ucontext,
	.get_link_layer = edu_get_link_layer,
	.get_port_immutable = edu_get_port_immutable,
	.query_device = edu_query_device,
	.query_port = edu_query_port,

	INIT_RDMA_OBJ_SIZE(ib_pd, edu_pd, ib),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, edu_ucontext, ib),
};

struct edu_device *edu_device_add(struct edu *edu, enum edu_rdma_device index)
{
	struct device *dma = &edu->engine.pdev->dev;
	struct edu_device *dev = ib_alloc_device(edu_device, ib);
	char name[8];
	int ret;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->engine = &edu->engine;
	dev->index = index;
	xa_init_flags(&dev->mrs, XA_FLAGS_ALLOC1);
	dev->ib.node_type = RDMA_NODE_UNSPECIFIED;
	dev->ib.phys_port_cnt = 1;
	dev->ib.num_comp_vectors = 1;
	dev->ib.dev.parent = dma;
	dev->ib.driver_def = edu_mr_uapi;
	ib_set_device_ops(&dev->ib, &edu_ops);
	ib_set_device_ops(&dev->ib, &edu_mr_ops);
	snprintf(name, sizeof(name), "edu%u", index);
	ret = ib_register_device(&dev->ib, name, dma);
	if (ret) {
		ib_dealloc_device(&dev->ib);
		return ERR_PTR(ret);
	}
	return dev;
}

/* Users may still have the device open; their MRs are destroyed now. */
void edu_device_remove(struct edu_device *dev)
{
	ib_unregister_device(&dev->ib);
	WARN_ON(!xa_empty(&dev->mrs));
	xa_destroy(&dev->mrs);
	ib_dealloc_device(&dev->ib);
}
