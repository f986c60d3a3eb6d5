/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* See peer_vram_memory.c. Offsets are those in VRAM, below peer_vram_device.size. */
#ifndef PEER_VRAM_MEMORY_H
#define PEER_VRAM_MEMORY_H

#include <linux/iosys-map.h>
#include <linux/types.h>

struct device;
struct page;
struct pci_dev;
struct peer_vram_device;

int peer_vram_memory_of_bar(struct peer_vram_device *vram, struct pci_dev *pdev,
			    int bar);
int peer_vram_memory_of_ram(struct peer_vram_device *vram, struct device *dev,
			    u64 size);

bool peer_vram_is_ram(const struct peer_vram_device *vram);
struct page *peer_vram_page(const struct peer_vram_device *vram, u64 offset);
phys_addr_t peer_vram_phys(const struct peer_vram_device *vram, u64 offset);
struct iosys_map peer_vram_map(const struct peer_vram_device *vram, u64 offset);
bool peer_vram_blocks_adjoin(const struct peer_vram_device *vram, u32 block,
			     u32 next);

#endif
