/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_REGS_H
#define PEER_CMB_REGS_H

#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/types.h>

/* The smallest page size of the NVMe specification, and the only one used here. */
#define PEER_CMB_PAGE 4096U

/* Bytes of BAR 0 that are mapped: the registers, and doorbells of two queues. */
#define PEER_CMB_REGS_SIZE (2 * PEER_CMB_PAGE)

/**
 * struct peer_cmb_range - location of a controller memory buffer
 * @bar:    number of the BAR
 * @offset: bytes in the BAR, page aligned
 * @size:   bytes, page aligned
 */
struct peer_cmb_range {
	unsigned int bar;
	u64 offset;
	u64 size;
};

/*
 * Decodes CMBLOC and CMBSZ. @bar_sizes: sizes of all PCI_STD_NUM_BARS BARs; 0: no
 * such BAR. Return: NULL, and the location in @cmb; or an error text.
 */
const char *peer_cmb_decode(u32 cmbloc, u32 cmbsz, const u64 *bar_sizes,
			    struct peer_cmb_range *cmb);

#endif
