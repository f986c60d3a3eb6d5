/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* See peer_vram_pci.c. */
#ifndef PEER_VRAM_PCI_H
#define PEER_VRAM_PCI_H

int peer_vram_pci_init(void);
void peer_vram_pci_exit(void);

#endif
