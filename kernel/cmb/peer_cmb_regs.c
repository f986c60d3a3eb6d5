// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Decodes the registers CMBLOC and CMBSZ, as the NVMe specification defines them,
 * and checks the result against the BARs of the controller.
 *
 * The code does not access the device, so a test can call it with any values.
 */
#include <linux/align.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "peer_cmb_regs.h"

/* CMBSZ.SZU: 0 means units of 4 KiB, each next value 16 times as much (64 GiB). */
#define PEER_CMB_UNIT_SHIFT(szu) (12 + 4 * (szu))
#define PEER_CMB_SZU_MAX 6

/* BAR 1 is the upper half of the 64-bit BAR 0, which has the registers. */
static bool peer_cmb_bar_is_possible(unsigned int bar)
{
	return bar < PCI_STD_NUM_BARS && bar != 1;
}

const char *peer_cmb_decode(u32 cmbloc, u32 cmbsz, const u64 *bar_sizes,
			    struct peer_cmb_range *cmb)
{
	u64 units = cmbsz >> NVME_CMBSZ_SZ_SHIFT & NVME_CMBSZ_SZ_MASK;
	u32 szu = cmbsz >> NVME_CMBSZ_SZU_SHIFT & NVME_CMBSZ_SZU_MASK;
	u32 data = NVME_CMBSZ_RDS | NVME_CMBSZ_WDS;

	if (!units)
		return "there is no controller memory buffer";
	if ((cmbsz & data) != data)
		return "the controller memory buffer is not for data";
	if (szu > PEER_CMB_SZU_MAX)
		return "the controller memory buffer has an unknown unit";

	cmb->bar = NVME_CMB_BIR(cmbloc);
	if (!peer_cmb_bar_is_possible(cmb->bar) || !bar_sizes[cmb->bar])
		return "the controller memory buffer is in a BAR that is not there";
	cmb->offset = (u64)NVME_CMB_OFST(cmbloc) << PEER_CMB_UNIT_SHIFT(szu);
	if (cmb->offset >= bar_sizes[cmb->bar])
		return "the controller memory buffer begins beyond its BAR";
	/* A user could access the registers and start DMA to any address. */
	if (cmb->bar == 0 && cmb->offset < PEER_CMB_REGS_SIZE)
		return "the controller memory buffer lies over the registers";

	/* A bridge may leave less space for the BAR than the controller asks for. */
	cmb->size = round_down(min(units << PEER_CMB_UNIT_SHIFT(szu),
				   bar_sizes[cmb->bar] - cmb->offset), PAGE_SIZE);
	if (!cmb->size || !PAGE_ALIGNED(cmb->offset))
		return "the controller memory buffer has no whole page";
	return NULL;
}
