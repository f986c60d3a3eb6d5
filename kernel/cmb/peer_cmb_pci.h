/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_PCI_H
#define PEER_CMB_PCI_H

int peer_cmb_pci_init(void);
void peer_cmb_pci_exit(void);

#endif
