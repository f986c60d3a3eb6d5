// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waiting for a fence within a fault. An exporter that moves memory by an engine
 * says by a fence when the bytes are there. The wait ends with the fence, at the
 * fault's deadline, when the task is killed, and when the region or the umem is
 * over: revocation and deregistration wait for faults, not for fences.
 */
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/wait.h>

#include "fault.h"

struct fence_wait {
	struct dma_fence_cb cb;
	struct ib_umem_peer *peer;
};

static void fence_wait_wake(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct fence_wait *wait = container_of(cb, struct fence_wait, cb);

	wake_up_all(&wait->peer->waiters);
}

static bool fence_wait_signaled(const struct dma_fence *fence)
{
	return test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
}

static bool fence_wait_over(const struct ib_peer_fault *fault)
{
	return READ_ONCE(fault->peer->revoked) ||
	       READ_ONCE(fault->answer.region->dead);
}

/* What the exporter said before has been invalidated: the fence is of no use. */
static bool fence_wait_stale(const struct ib_peer_fault *fault)
{
	return READ_ONCE(fault->answer.region->seq) != fault->answer.seq;
}

/**
 * ib_peer_fault_wait() - wait for a fence from within an exporter's fault()
 *
 * Context: may sleep; no lock that others need is held.
 * Return: 0 signalled, -EAGAIN the range was invalidated meanwhile, ask again; -EFAULT
 * the region is over, -EINTR the task is being killed, -ETIMEDOUT the fault's deadline
 * is over, or what the fence's driver says.
 */
int ib_peer_fault_wait(struct ib_peer_fault *fault, struct dma_fence *fence)
{
	struct fence_wait wait = { .peer = fault->peer };
	long ret;

	ret = dma_fence_add_callback(fence, &wait.cb, fence_wait_wake);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ib_peer_hold(IB_PEER_HOLD_FENCE);
	ret = wait_event_killable_timeout(fault->peer->waiters,
					  fence_wait_signaled(fence) ||
					  fence_wait_over(fault) ||
					  fence_wait_stale(fault),
					  max(0L, (long)(fault->until - jiffies)));
	dma_fence_remove_callback(fence, &wait.cb);
	if (fence_wait_signaled(fence))
		return 0;
	if (ret < 0)
		return -EINTR;
	if (fence_wait_over(fault))
		return -EFAULT;
	return fence_wait_stale(fault) ? -EAGAIN : -ETIMEDOUT;
}
