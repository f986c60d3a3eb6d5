// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Does to the guest's kernel what a test of "run vm" must see reported. All of
 * it happens while the module is being loaded:
 *
 *   what=warning  a WARN_ON, and loading succeeds
 *   what=oops     a write to an address where nothing is
 *   what=stuck    the task that loads the module sleeps and cannot be killed
 *   what=leak     memory that nobody can reach any more
 *   what=race     two tasks count in one variable, without a word to each other
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

static noinline int provoke_leak(void)
{
	int n;

	/* Several: an old pointer may lie on a stack. */
	for (n = 0; n < 10; n++) {
		lost = kmalloc(100, GFP_KERNEL);
		if (!lost)
			return -ENOMEM;
	}
	lost = NULL;
	return 0;
}

static int provoke_race(void *unused)
{
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end)) {
		count++;
		barrier();	/* or it would be kept in a register */
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

MODULE_DESCRIPTION("Provokes complaints of the kernel, for tests");
MODULE_LICENSE("Dual BSD/GPL");
