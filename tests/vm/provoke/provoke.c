// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Does to the guest's kernel what a test of "run vm" must see reported. All of
 * it happens while the module is being loaded:
 *
 *   what=warning  a WARN_ON, and loading succeeds
 *   what=oops     a write to an address where nothing is
 *   what=stuck    the task that loads the module sleeps and cannot be killed
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "warning, oops or stuck");

static int __init provoke_init(void)
{
	if (!strcmp(what, "warning")) {
		WARN_ON(1);
		return 0;
	}
	if (!strcmp(what, "oops")) {
		WRITE_ONCE(*(int *)PAGE_SIZE, 1);
		return 0;
	}
	if (!strcmp(what, "stuck")) {
		for (;;)
			schedule_timeout_uninterruptible(HZ);
	}
	return -EINVAL;
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("Provokes complaints of the kernel, for tests");
MODULE_LICENSE("Dual BSD/GPL");
