// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory that serves as VRAM: a BAR of a PCI device, or system memory.
 *
 * System memory is for hosts without the PCI device. It is taken in chunks of the size of
 * a large page: one is contiguous, its neighbours are elsewhere. For everything but DMA it behaves
 * like a BAR. The CPU's mappings of it have no struct pages either (VM_PFNMAP), and
 * nobody but this driver refers to its pages. A DMA device maps its pages, while it
 * reaches a BAR by P2P.
 *
 * Both are there from probe to removal of the device.
 */
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pgtable.h>

#include "peer_vram_memory.h"
#include "peer_vram_types.h"

/* 2 MiB with pages of 4 KiB */
#define CHUNK_SHIFT PMD_SHIFT
#define CHUNK_SIZE BIT(CHUNK_SHIFT)
#define CHUNK_BLOCKS (CHUNK_SIZE >> PEER_VRAM_BLOCK_SHIFT)

/* ---- a BAR ------------------------------------------------------------ */

/**
 * peer_vram_memory_of_bar() - use a BAR as VRAM
 * @vram: new
 * @pdev: its device
 * @bar:  number of the BAR
 *
 * Return: 0; -ENODEV the BAR is smaller than a block, or too large; -EBUSY another
 * driver has it; -ENOMEM.
 */
int peer_vram_memory_of_bar(struct peer_vram_device *vram, struct pci_dev *pdev,
			    int bar)
{
	resource_size_t length = pci_resource_len(pdev, bar);
	int ret;

	vram->pdev = pdev;
	vram->size = round_down(length, PEER_VRAM_BLOCK_SIZE);
	if (!vram->size || vram->size >> PEER_VRAM_BLOCK_SHIFT > U32_MAX) {
		dev_err(&pdev->dev, "memory BAR of %pa bytes: not usable\n",
			&length);
		return -ENODEV;
	}
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_request_region(pdev, bar, "peer_vram");
	if (ret)
		return ret;
	vram->bar = pci_resource_start(pdev, bar);
	vram->io = devm_ioremap_wc(&pdev->dev, vram->bar, vram->size);
	return vram->io ? 0 : -ENOMEM;
}

/* ---- system memory ---------------------------------------------------- */

static void peer_vram_free_chunks(void *data)
{
	struct peer_vram_device *vram = data;
	u64 i;

	for (i = 0; i < vram->size >> CHUNK_SHIFT && vram->chunks[i]; i++)
		__free_pages(vram->chunks[i], get_order(CHUNK_SIZE));
	kvfree(vram->chunks);
}

/* Does not let the OOM killer make room: who asks for too much gets an error. */
static int peer_vram_alloc_chunks(struct peer_vram_device *vram)
{
	gfp_t gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	u64 i;

	for (i = 0; i < vram->size >> CHUNK_SHIFT; i++) {
		vram->chunks[i] = alloc_pages(gfp, get_order(CHUNK_SIZE));
		if (!vram->chunks[i])
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

/**
 * peer_vram_memory_of_ram() - use system memory as VRAM
 * @vram: new
 * @dev:  its device; the memory is freed when the device is removed
 * @size: bytes; rounded up to chunks
 *
 * Return: 0; -ENOMEM.
 */
int peer_vram_memory_of_ram(struct peer_vram_device *vram, struct device *dev,
			    u64 size)
{
	int ret;

	vram->size = round_up(size, CHUNK_SIZE);
	vram->chunks = kvcalloc(vram->size >> CHUNK_SHIFT,
				sizeof(*vram->chunks), GFP_KERNEL);
	if (!vram->chunks)
		return -ENOMEM;
	ret = peer_vram_alloc_chunks(vram);
	if (ret) {
		peer_vram_free_chunks(vram);
		return ret;
	}
	return devm_add_action_or_reset(dev, peer_vram_free_chunks, vram);
}

/* ---- both ------------------------------------------------------------- */

bool peer_vram_is_ram(const struct peer_vram_device *vram)
{
	return !vram->pdev;
}

/* Return: the page of system memory at an offset. */
struct page *peer_vram_page(const struct peer_vram_device *vram, u64 offset)
{
	return vram->chunks[offset >> CHUNK_SHIFT] +
	       ((offset & (CHUNK_SIZE - 1)) >> PAGE_SHIFT);
}

/* Return: the physical address that the CPU reaches an offset at. */
phys_addr_t peer_vram_phys(const struct peer_vram_device *vram, u64 offset)
{
	if (!peer_vram_is_ram(vram))
		return vram->bar + offset;
	return page_to_phys(peer_vram_page(vram, offset)) +
	       offset_in_page(offset);
}

/*
 * Return: the kernel mapping, valid up to the end of the block, and of those that adjoin
 * it.
 */
struct iosys_map peer_vram_map(const struct peer_vram_device *vram, u64 offset)
{
	if (!peer_vram_is_ram(vram))
		return (struct iosys_map)
			IOSYS_MAP_INIT_VADDR_IOMEM(vram->io + offset);
	return (struct iosys_map)
		IOSYS_MAP_INIT_VADDR(page_address(peer_vram_page(vram, offset)) +
				     offset_in_page(offset));
}

/* Is the memory of two blocks contiguous? */
bool peer_vram_blocks_adjoin(const struct peer_vram_device *vram, u32 block,
			     u32 next)
{
	return next == block + 1 &&
	       (!peer_vram_is_ram(vram) || next % CHUNK_BLOCKS);
}
