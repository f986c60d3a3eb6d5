// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Provokes kernel warnings and hangs that "./run vm" must report as failures. They
 * happen while the module is loaded:
 *
 *   what=warning  a WARN_ON(); loading succeeds
 *   what=oops     a write to an unmapped address
 *   what=stuck    the task that loads the module sleeps and cannot be killed
 *   what=leak     allocated memory without a pointer to it
 *   what=race     two tasks increment one variable without synchronization
 */
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "warning, oops, stuck, leak or race");

static unsigned long count;

static void *lost;

/*
 * Several, because a stale pointer to one may be on a stack. On Linux 7.x stale pointers
 * are also in the allocator's lists of free objects (sheaves), which kmemleak scans,
 * until other allocations have filled these anew.
 */
static noinline int provoke_leak(void)
{
	static void *others[256];
	int n, ret = 0;

	for (n = 0; n < 10; n++) {
		lost = kmalloc(100, GFP_KERNEL);
		if (!lost)
			return -ENOMEM;
	}
	lost = NULL;
	for (n = 0; n < ARRAY_SIZE(others); n++) {
		others[n] = kmalloc(100, GFP_KERNEL);
		if (!others[n])
			ret = -ENOMEM;
	}
	for (n = 0; n < ARRAY_SIZE(others); n++)
		kfree(others[n]);
	return ret;
}

static int provoke_race(void *unused)
{
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end)) {
		count++;
		barrier();	/* the compiler must not use a register */
		cond_resched();
	}
	return 0;
}

static int provoke_races(void)
{
	struct task_struct *other = kthread_run(provoke_race, NULL, "provoke");

	if (IS_ERR(other))
		return PTR_ERR(other);
	get_task_struct(other);
	provoke_race(NULL);
	kthread_stop_put(other);
	return 0;
}

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
	if (!strcmp(what, "leak"))
		return provoke_leak();
	if (!strcmp(what, "race"))
		return provoke_races();
	return -EINVAL;
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("Provokes kernel warnings, for tests");
MODULE_LICENSE("Dual BSD/GPL");
