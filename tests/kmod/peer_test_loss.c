// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: drops or delays responses of rxe.
 *
 * The file peer_test_loss in debugfs takes one letter for each of the next
 * responses (of all queue pairs): 'd' drops it, 's' sends it after SLOW_MS, any
 * other letter sends it as usual. Reading returns the remaining letters.
 * Packets between two queue pairs of one device pass no network device, so a
 * kprobe catches them in the function that sends them.
 *
 * The parameter sched_us delays a packet after it was queued at a queue pair,
 * and before the queue pair is scheduled.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/uaccess.h>
#include <rdma/ib_pack.h>

#include "rxe_opcode.h"
#include "rxe_hdr.h"

/*
 * Enough for the other side to send all packets; less than all timeouts in use.
 */
#define SLOW_MS 50

/* No lock: callers run with interrupts enabled and disabled. */
static char loss_todo[32];
static int loss_length;
static atomic_t loss_done;

static char loss_next(void)
{
	/* The letters were stored before the length. */
	int length = smp_load_acquire(&loss_length);
	int i;

	if (atomic_read(&loss_done) >= length)
		return 0;
	i = atomic_inc_return(&loss_done) - 1;
	return i < length ? loss_todo[i] : 0;
}

static bool loss_is_response(const struct rxe_pkt_info *pkt)
{
	return pkt->opcode >= IB_OPCODE_RC_RDMA_READ_RESPONSE_FIRST &&
	       pkt->opcode <= IB_OPCODE_RC_ATOMIC_ACKNOWLEDGE;
}

/* Replaces rxe_xmit_packet(): its caller takes the packet as sent. */
static int loss_drop(void *qp, void *pkt, struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

static int loss_before(struct kprobe *kprobe, struct pt_regs *regs)
{
	if (!loss_is_response((void *)regs_get_kernel_argument(regs, 1)))
		return 0;
	switch (loss_next()) {
	case 'd':
		instruction_pointer_set(regs, (unsigned long)loss_drop);
		return 1;
	case 's':
		mdelay(SLOW_MS);
		return 0;
	default:
		return 0;
	}
}

/*
 * A post_handler prevents an optimized kprobe, which could not redirect the
 * call.
 */
static void loss_after(struct kprobe *kprobe, struct pt_regs *regs,
		       unsigned long flags)
{
}

static struct kprobe loss_probe = {
	.symbol_name = "rxe_xmit_packet",
	.pre_handler = loss_before,
	.post_handler = loss_after,
};

static unsigned int sched_us;
module_param(sched_us, uint, 0644);
MODULE_PARM_DESC(sched_us, "Delay of each call of rxe_sched_task()");

static int loss_sched(struct kprobe *kprobe, struct pt_regs *regs)
{
	unsigned int us = READ_ONCE(sched_us);

	if (us)
		udelay(min(us, 1000U));
	return 0;
}

static struct kprobe sched_probe = {
	.symbol_name = "rxe_sched_task",
	.pre_handler = loss_sched,
};

static ssize_t loss_read(struct file *file, char __user *buf, size_t length,
			 loff_t *pos)
{
	int done = min(atomic_read(&loss_done), loss_length);

	return simple_read_from_buffer(buf, length, pos, loss_todo + done,
				       loss_length - done);
}

/* Tests write only while no request is outstanding. */
static ssize_t loss_write(struct file *file, const char __user *buf,
			  size_t length, loff_t *pos)
{
	if (length > sizeof(loss_todo))
		return -EINVAL;
	WRITE_ONCE(loss_length, 0);
	if (copy_from_user(loss_todo, buf, length))
		return -EFAULT;
	atomic_set(&loss_done, 0);
	/* A reader of the length sees the letters. */
	smp_store_release(&loss_length, length);
	return length;
}

static const struct file_operations loss_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = loss_read,
	.write = loss_write,
};

static struct dentry *loss_file;

static int __init loss_init(void)
{
	int err = register_kprobe(&loss_probe);

	if (err)
		return err;
	err = register_kprobe(&sched_probe);
	if (err) {
		unregister_kprobe(&loss_probe);
		return err;
	}
	loss_file = debugfs_create_file("peer_test_loss", 0600, NULL, NULL,
					&loss_fops);
	return 0;
}

static void __exit loss_exit(void)
{
	debugfs_remove(loss_file);
	unregister_kprobe(&sched_probe);
	unregister_kprobe(&loss_probe);
}

module_init(loss_init);
module_exit(loss_exit);
MODULE_DESCRIPTION("peermem tests: loss and delay of rxe responses");
MODULE_LICENSE("Dual BSD/GPL");
