// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One mistake for sparse and one for the compiler with W=1: see ../warnings.
 * Never loaded.
 */
#include <linux/module.h>
#include <linux/types.h>

static int __init canary_init(void)
{
	__be32 order;
	int unread;

	order = 1u + (u32)get_random_u32();
	unread = (__force int)order;
	return 0;
}
module_init(canary_init);

MODULE_DESCRIPTION("Finds out whether warnings are found");
MODULE_LICENSE("Dual BSD/GPL");
