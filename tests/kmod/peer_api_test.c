// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tests that the kernel API rejects invalid descriptions of exporters and of
 * ranges, with -EINVAL. Loading fails if one row is accepted; the kernel log
 * tells which.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <rdma/ib_peer_bar.h>
#include <rdma/peer_mem.h>

#define NAME_32 "abcdefghijklmnopqrstuvwxyz012345"
#define VERSION_16 "1234567890123456"

/* ---- exporters -------------------------------------------------------- */

static int api_claim(struct ib_peer_region *region)
{
	return -ENXIO;
}

static int api_pin(struct ib_peer_region *region)
{
	return 0;
}

static int api_fault(struct ib_peer_region *region, u64 offset, u64 length,
		     bool write, struct ib_peer_fault *fault)
{
	return -EFAULT;
}

static void api_dma_unmap(struct ib_peer_region *region,
			  const struct ib_peer_block *block, dma_addr_t addr)
{
}

static void api_release(struct ib_peer_region *region)
{
}

static const struct ib_peer_ops complete_ops = {
	.claim = api_claim, .fault = api_fault, .release = api_release,
};

static const struct ib_peer_ops no_claim = {
	.fault = api_fault, .release = api_release,
};

static const struct ib_peer_ops no_fault = {
	.claim = api_claim, .release = api_release,
};

static const struct ib_peer_ops no_release = {
	.claim = api_claim, .fault = api_fault,
};

static const struct ib_peer_ops pin_only = {
	.claim = api_claim, .fault = api_fault, .release = api_release,
	.pin = api_pin,
};

static const struct ib_peer_ops dma_unmap_only = {
	.claim = api_claim, .fault = api_fault, .release = api_release,
	.dma_unmap = api_dma_unmap,
};

static const struct {
	const char *name, *version;
	const struct ib_peer_ops *ops;
} exporters[] = {
	{ NULL, "1", &complete_ops },
	{ "", "1", &complete_ops },
	{ "a/b", "1", &complete_ops },
	{ NAME_32 NAME_32, "1", &complete_ops },
	{ "api", VERSION_16, &complete_ops },
	{ "api", "1", NULL },
	{ "api", "1", &no_claim },
	{ "api", "1", &no_fault },
	{ "api", "1", &no_release },
	{ "api", "1", &pin_only },
	{ "api", "1", &dma_unmap_only },
};

static bool exporter_is_rejected(unsigned int n)
{
	struct ib_peer_exporter *exporter;

	exporter = ib_peer_register_exporter(exporters[n].name,
					     exporters[n].version,
					     exporters[n].ops, NULL);
	if (!IS_ERR(exporter))
		ib_peer_unregister_exporter(exporter);
	return exporter == ERR_PTR(-EINVAL);
}

/* ---- ranges ----------------------------------------------------------- */

static int api_alloc(u64 length, u64 *offset, void *priv)
{
	return -ENOSPC;
}

static const struct ib_peer_bar_ops alloc_only = {
	.alloc = api_alloc,
};

/* Each is rejected before the device and the memory are accessed. */
static const struct ib_peer_bar_desc ranges[] = {
	{ .name = NULL, .start = SZ_1M, .size = PAGE_SIZE },
	{ .name = "", .start = SZ_1M, .size = PAGE_SIZE },
	{ .name = NAME_32, .start = SZ_1M, .size = PAGE_SIZE },
	{ .name = "api", .size = PAGE_SIZE },
	{ .name = "api", .start = SZ_1M },
	{ .name = "api", .start = SZ_1M + 1, .size = PAGE_SIZE },
	{ .name = "api", .start = SZ_1M, .size = PAGE_SIZE + 1 },
	{ .name = "api", .start = SZ_1M, .size = -(resource_size_t)PAGE_SIZE },
	{ .name = "api", .start = SZ_1M, .size = PAGE_SIZE, .flags = 1U << 31 },
	{ .name = "api", .start = SZ_1M, .size = PAGE_SIZE,
	  .flags = IB_PEER_BAR_REGISTERS },
	{ .name = "api", .start = SZ_1M, .size = PAGE_SIZE,
	  .ops = &alloc_only },
};

static bool range_is_rejected(unsigned int n)
{
	struct ib_peer_bar *bar = ib_peer_bar_add(&ranges[n]);

	if (!IS_ERR(bar))
		ib_peer_bar_remove(bar);
	return bar == ERR_PTR(-EINVAL);
}

static int __init peer_api_test_init(void)
{
	unsigned int n;
	int ret = 0;

	for (n = 0; n < ARRAY_SIZE(exporters); n++) {
		if (exporter_is_rejected(n))
			continue;
		pr_err("peer_api_test: exporter %u was not rejected\n", n);
		ret = -EBADMSG;
	}
	for (n = 0; n < ARRAY_SIZE(ranges); n++) {
		if (range_is_rejected(n))
			continue;
		pr_err("peer_api_test: range %u was not rejected\n", n);
		ret = -EBADMSG;
	}
	return ret;
}

static void __exit peer_api_test_exit(void)
{
}

module_init(peer_api_test_init);
module_exit(peer_api_test_exit);

MODULE_DESCRIPTION("Test of invalid arguments of the exporters' API");
MODULE_LICENSE("Dual BSD/GPL");
