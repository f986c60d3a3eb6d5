// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Hold points: stop a thread at a point, for tests. Only in builds with
 * PEERMEM_HOLD=y.
 *
 * Each point is a file in debugfs, ib_peer_mem/hold/POINT. Writing N stops
 * the next thread that reaches it, and no other, for at most N milliseconds.
 * Writing 0 releases it. Reading returns idle, armed, held or passed.
 *
 * A test arms a point, starts the operation to be held, waits for "held",
 * runs the operation that races with it, checks for "held" again, and
 * releases it. A thread that may not sleep spins. Others may then spin on its
 * lock, and only the time limit releases it; the limit starts when "held" is
 * read. Some kernels do not know whether a thread holds a lock: there, all
 * threads spin at the points that threads with a lock may reach.
 *
 * ib_peer_mem/passed/POINT counts the threads that have reached the point.
 *
 * While "nomem" is armed, storing the next page table entry fails with
 * -ENOMEM.
 *
 * ib_peer_mem/fault_timeout_ms shortens the deadline of accesses.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/preempt.h>

#include "hold_point.h"

/* Long enough for any test, short enough to report what hangs. */
#define HOLD_MAX_MS 30000
/* A spinning thread that no test has seen continues before the kernel warns. */
#define HOLD_UNSEEN_MS 10000

enum hold_state {
	HOLD_IDLE,
	HOLD_ARMED,
	HOLD_HELD,
	HOLD_PASSED,
};

static const char * const state_names[] = {
	[HOLD_IDLE] = "idle\n",
	[HOLD_ARMED] = "armed\n",
	[HOLD_HELD] = "held\n",
	[HOLD_PASSED] = "passed\n",
};

/* @locks: threads that reach it may hold a spinlock */
struct hold {
	const char *name;
	bool locks;
	atomic_t state;
	atomic_t let_go;
	atomic_t seen;
	atomic_t passed;
	unsigned int ms;
};

static struct hold holds[IB_PEER_HOLD_POINTS] = {
	[IB_PEER_HOLD_WATCHED] = { .name = "watched" },
	[IB_PEER_HOLD_CLAIMED] = { .name = "claimed" },
	[IB_PEER_HOLD_FILLED] = { .name = "filled" },
	[IB_PEER_HOLD_FIND] = { .name = "find" },
	[IB_PEER_HOLD_CLAIM] = { .name = "claim" },
	[IB_PEER_HOLD_REMOVED] = { .name = "removed" },
	[IB_PEER_HOLD_RESOLVE] = { .name = "resolve" },
	[IB_PEER_HOLD_FENCE] = { .name = "fence" },
	[IB_PEER_HOLD_UNMAPPED] = { .name = "unmapped" },
	[IB_PEER_HOLD_RESOLVED] = { .name = "resolved" },
	[IB_PEER_HOLD_PUBLISH] = { .name = "publish", .locks = true },
	[IB_PEER_HOLD_NOMEM] = { .name = "nomem" },
	[IB_PEER_HOLD_PUBLISHED] = { .name = "published" },
	[IB_PEER_HOLD_MISSED] = { .name = "missed" },
	[IB_PEER_HOLD_COPY] = { .name = "copy", .locks = true },
	[IB_PEER_HOLD_FLUSH] = { .name = "flush", .locks = true },
	[IB_PEER_HOLD_ERASE] = { .name = "erase", .locks = true },
	[IB_PEER_HOLD_ERASED] = { .name = "erased", .locks = true },
	[IB_PEER_HOLD_WAITING] = { .name = "waiting", .locks = true },
	[IB_PEER_HOLD_WAITED] = { .name = "waited", .locks = true },
	[IB_PEER_HOLD_DROP] = { .name = "drop", .locks = true },
	[IB_PEER_HOLD_STOP] = { .name = "stop", .locks = true },
	[IB_PEER_HOLD_UNPINNED] = { .name = "unpinned" },
	[IB_PEER_HOLD_FD_INSTALLED] = { .name = "fd_installed" },
	[IB_PEER_HOLD_FOUND] = { .name = "found" },
	[IB_PEER_HOLD_FAULTED] = { .name = "faulted" },
	[IB_PEER_HOLD_IDLE] = { .name = "idle" },
	[IB_PEER_HOLD_MOVING] = { .name = "moving" },
	[IB_PEER_HOLD_DMA_PUBLISHED] = { .name = "dma_published" },
	[IB_PEER_HOLD_MAPPED] = { .name = "mapped" },
	[IB_PEER_HOLD_STOPPED] = { .name = "stopped" },
	[IB_PEER_HOLD_UNMAPPING] = { .name = "unmapping" },
};

static u32 fault_timeout_ms = 60000;
static struct dentry *hold_root;

static bool hold_sleeps(const struct hold *hold)
{
	return !hold->locks || preemptible();
}

/* Waits until the flag is set, or for @ms milliseconds. */
static void hold_wait(const struct hold *hold, const atomic_t *flag,
		      unsigned int ms)
{
	unsigned long until = jiffies + msecs_to_jiffies(ms);

	while (!atomic_read(flag) && time_before(jiffies, until)) {
		if (hold_sleeps(hold))
			usleep_range(500, 1000);
		else
			cpu_relax();
	}
}

bool ib_peer_hold_armed(enum ib_peer_hold_point point)
{
	return atomic_read(&holds[point].state) == HOLD_ARMED;
}

unsigned long ib_peer_fault_timeout(void)
{
	return msecs_to_jiffies(READ_ONCE(fault_timeout_ms));
}

void ib_peer_hold(enum ib_peer_hold_point point)
{
	struct hold *hold = &holds[point];

	if (!hold->locks)
		might_sleep();
	atomic_inc(&hold->passed);
	if (atomic_read(&hold->state) != HOLD_ARMED ||
	    atomic_cmpxchg(&hold->state, HOLD_ARMED, HOLD_HELD) != HOLD_ARMED)
		return;
	if (!hold_sleeps(hold))
		hold_wait(hold, &hold->seen, HOLD_UNSEEN_MS);
	hold_wait(hold, &hold->let_go, hold->ms);
	atomic_set(&hold->state, HOLD_PASSED);
}

static ssize_t hold_read(struct file *file, char __user *buf, size_t length,
			 loff_t *pos)
{
	struct hold *hold = file->private_data;
	enum hold_state state = atomic_read(&hold->state);
	const char *name = state_names[state];

	if (state == HOLD_HELD)
		atomic_set(&hold->seen, 1);
	return simple_read_from_buffer(buf, length, pos, name, strlen(name));
}

static ssize_t hold_write(struct file *file, const char __user *buf,
			  size_t length, loff_t *pos)
{
	struct hold *hold = file->private_data;
	unsigned int ms;
	int ret;

	ret = kstrtouint_from_user(buf, length, 0, &ms);
	if (ret)
		return ret;
	if (ms > HOLD_MAX_MS)
		return -EINVAL;
	if (!ms) {
		atomic_set(&hold->seen, 1);
		atomic_set(&hold->let_go, 1);
		atomic_cmpxchg(&hold->state, HOLD_ARMED, HOLD_IDLE);
		return length;
	}
	if (atomic_read(&hold->state) == HOLD_HELD)
		return -EBUSY;
	hold->ms = ms;
	atomic_set(&hold->let_go, 0);
	atomic_set(&hold->seen, 0);
	atomic_set(&hold->state, HOLD_ARMED);
	return length;
}

static const struct file_operations hold_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = hold_read,
	.write = hold_write,
};

void ib_peer_hold_init(void)
{
	struct dentry *dir, *passed;
	int i;

	hold_root = debugfs_create_dir("ib_peer_mem", NULL);
	debugfs_create_u32("fault_timeout_ms", 0600, hold_root,
			   &fault_timeout_ms);
	dir = debugfs_create_dir("hold", hold_root);
	passed = debugfs_create_dir("passed", hold_root);
	for (i = 0; i < IB_PEER_HOLD_POINTS; i++) {
		debugfs_create_file(holds[i].name, 0600, dir, &holds[i],
				    &hold_fops);
		debugfs_create_atomic_t(holds[i].name, 0400, passed,
					&holds[i].passed);
	}
}

void ib_peer_hold_exit(void)
{
	debugfs_remove(hold_root);
}
