// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tests how peer_cmb decodes registers that no emulated controller has. Loading
 * fails if one row is wrong; the kernel log tells which.
 */
#include <linux/module.h>
#include <linux/string.h>

#include "peer_cmb_regs.c"

#define DATA	(NVME_CMBSZ_RDS | NVME_CMBSZ_WDS)
#define SIZE(units, szu, flags) \
	((u32)(units) << NVME_CMBSZ_SZ_SHIFT | \
	 (szu) << NVME_CMBSZ_SZU_SHIFT | (flags))
#define LOCATION(units, bar)	((u32)(units) << 12 | (bar))

/* BARs of all rows: 16 KiB of registers; 64 MiB; half a page; 1 TiB. */
static const u64 bar_sizes[PCI_STD_NUM_BARS] = {
	SZ_16K, 0, SZ_64M, 0, SZ_2K, 1ULL << 40,
};

/* @wrong: a part of the message; NULL: the buffer is at @offset of the BAR */
static const struct {
	u32 cmbloc, cmbsz;
	const char *wrong;
	u64 offset, size;
} rows[] = {
	/* Values of QEMU: units of 1 MiB, the whole BAR. */
	{ LOCATION(0, 2), SIZE(64, 2, DATA | NVME_CMBSZ_SQS), NULL, 0, SZ_64M },
	/* Each unit, the smallest first. */
	{ LOCATION(3, 2), SIZE(5, 0, DATA), NULL, 3 * SZ_4K, 5 * SZ_4K },
	{ LOCATION(3, 2), SIZE(5, 1, DATA), NULL, 3 * SZ_64K, 5 * SZ_64K },
	{ LOCATION(3, 2), SIZE(5, 2, DATA), NULL, 3 * SZ_1M, 5 * SZ_1M },
	{ LOCATION(3, 5), SIZE(5, 3, DATA), NULL, 3ULL * SZ_16M, 5ULL * SZ_16M },
	{ LOCATION(3, 5), SIZE(5, 4, DATA), NULL, 3ULL * SZ_256M,
	  5ULL * SZ_256M },
	{ LOCATION(3, 5), SIZE(5, 5, DATA), NULL, 3ULL << 32, 5ULL << 32 },
	{ LOCATION(3, 5), SIZE(5, 6, DATA), NULL, 3ULL << 36, 5ULL << 36 },
	{ LOCATION(3, 5), SIZE(5, 7, DATA), "unknown unit" },
	{ LOCATION(3, 5), SIZE(5, 15, DATA), "unknown unit" },
	/* The largest possible numbers. */
	{ LOCATION(0, 5), SIZE(0xfffff, 6, DATA), NULL, 0, 1ULL << 40 },
	{ LOCATION(0xfffff, 5), SIZE(0xfffff, 6, DATA), "beyond its BAR" },
	/* Next to the registers, and overlapping them. */
	{ LOCATION(2, 0), SIZE(2, 0, DATA), NULL, SZ_8K, SZ_8K },
	{ LOCATION(0, 0), SIZE(4, 0, DATA), "over the registers" },
	{ LOCATION(1, 0), SIZE(1, 0, DATA), "over the registers" },
	/* Larger than the BAR. */
	{ LOCATION(0, 2), SIZE(65, 2, DATA), NULL, 0, SZ_64M },
	{ LOCATION(63, 2), SIZE(64, 2, DATA), NULL, 63 * SZ_1M, SZ_1M },
	{ LOCATION(64, 2), SIZE(1, 2, DATA), "beyond its BAR" },
	{ LOCATION(0, 4), SIZE(1, 0, DATA), "no whole page" },
	/* BARs that do not exist. */
	{ LOCATION(0, 1), SIZE(1, 0, DATA), "not there" },
	{ LOCATION(0, 3), SIZE(1, 0, DATA), "not there" },
	{ LOCATION(0, 6), SIZE(1, 0, DATA), "not there" },
	{ LOCATION(0, 7), SIZE(1, 0, DATA), "not there" },
	/* Bits of CMBLOC with another meaning. */
	{ LOCATION(1, 2) | 0xff8, SIZE(1, 2, DATA), NULL, SZ_1M, SZ_1M },
	/* For queues or lists but not for data, or for one direction only. */
	{ LOCATION(0, 2), SIZE(64, 2, NVME_CMBSZ_SQS | NVME_CMBSZ_CQS |
			       NVME_CMBSZ_LISTS), "not for data" },
	{ LOCATION(0, 2), SIZE(64, 2, NVME_CMBSZ_RDS), "not for data" },
	{ LOCATION(0, 2), SIZE(64, 2, NVME_CMBSZ_WDS), "not for data" },
	{ LOCATION(0, 2), SIZE(0, 2, DATA), "there is no" },
	{ 0, 0, "there is no" },
};

static bool row_is_right(unsigned int n)
{
	struct peer_cmb_range cmb = {};
	const char *want = rows[n].wrong, *wrong;
	u64 size = round_down(rows[n].size, PAGE_SIZE);

	/* The rows are for pages of 4 KiB. */
	if (!want && (!size || !PAGE_ALIGNED(rows[n].offset)))
		want = "no whole page";
	wrong = peer_cmb_decode(rows[n].cmbloc, rows[n].cmbsz, bar_sizes, &cmb);
	if (want)
		return wrong && strstr(wrong, want);
	return !wrong && cmb.bar == (rows[n].cmbloc & 7) &&
	       cmb.offset == rows[n].offset && cmb.size == size;
}

static int __init peer_cmb_regs_test_init(void)
{
	unsigned int n;
	int ret = 0;

	for (n = 0; n < ARRAY_SIZE(rows); n++) {
		if (row_is_right(n))
			continue;
		pr_err("peer_cmb_regs_test: row %u: CMBLOC %#x, CMBSZ %#x\n", n,
		       rows[n].cmbloc, rows[n].cmbsz);
		ret = -EBADMSG;
	}
	return ret;
}

static void __exit peer_cmb_regs_test_exit(void)
{
}

module_init(peer_cmb_regs_test_init);
module_exit(peer_cmb_regs_test_exit);

MODULE_DESCRIPTION("Test of the decoding of controller memory buffer registers");
MODULE_LICENSE("Dual BSD/GPL");
