// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The DMA engine. It has its own buffer, which only the engine can access. Data
 * goes from a page of this driver into that buffer, and from there to its
 * destination, or the reverse. Each transfer takes 100 ms.
 *
 * The engine does not report IOMMU faults: such a transfer ends like any other.
 */
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>

#include "edu.h"

#define SOURCE	0x80
#define TARGET	0x88
#define COUNT	0x90
#define COMMAND	0x98
#define START	BIT(0)
#define OUT	BIT(1)

#define BUFFER	0x40000

#define POLL_US 2000
#define TIMEOUT_US (60 * USEC_PER_SEC)

static int engine_run(struct edu_engine *engine, u64 from, u64 to,
		      size_t length, u64 command)
{
	int ret;

	lockdep_assert_held(&engine->lock);

	if (engine->broken || WARN_ON(!length || length > EDU_PIECE))
		return -EIO;
	writeq(from, engine->regs + SOURCE);
	writeq(to, engine->regs + TARGET);
	writeq(length, engine->regs + COUNT);
	writeq(command | START, engine->regs + COMMAND);
	ret = readq_poll_timeout(engine->regs + COMMAND, command,
				 !(command & START), POLL_US, TIMEOUT_US);
	if (ret) {
		engine->broken = true;
		pci_clear_master(engine->pdev);
	}
	engine->transfers++;
	return ret;
}

int edu_engine_write(struct edu_engine *engine, dma_addr_t to,
		     const void *from, size_t length)
{
	int ret;

	mutex_lock(&engine->lock);
	memcpy(engine->bounce, from, length);
	ret = engine_run(engine, engine->bounce_dma, BUFFER, length, 0);
	if (!ret)
		ret = engine_run(engine, BUFFER, to, length, OUT);
	mutex_unlock(&engine->lock);
	return ret;
}

int edu_engine_read(struct edu_engine *engine, void *to, dma_addr_t from,
		    size_t length)
{
	int ret;

	mutex_lock(&engine->lock);
	ret = engine_run(engine, from, BUFFER, length, 0);
	if (!ret)
		ret = engine_run(engine, BUFFER, engine->bounce_dma, length,
				 OUT);
	memcpy(to, engine->bounce, length);
	mutex_unlock(&engine->lock);
	return ret;
}

/* Device-managed: everything is released with the PCI device. */
int edu_engine_init(struct edu_engine *engine, struct pci_dev *pdev)
{
	int ret;

	engine->pdev = pdev;
	mutex_init(&engine->lock);
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	engine->regs = pcim_iomap_region(pdev, 0, "edu_rdma");
	if (IS_ERR(engine->regs))
		return PTR_ERR(engine->regs);
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	engine->bounce = dmam_alloc_coherent(&pdev->dev, PAGE_SIZE,
					     &engine->bounce_dma, GFP_KERNEL);
	if (!engine->bounce)
		return -ENOMEM;
	pci_set_master(pdev);
	return 0;
}
