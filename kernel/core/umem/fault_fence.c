// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Waits for a fence in a fault. An exporter that moves memory with an engine
 * signals a fence when the bytes have arrived. The wait ends when the fence
 * signals, at the deadline of the fault, when the task is killed, and when
 * the region or the umem ends. So revocation and deregistration wait for
 * faults, not for fences.
 */
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/wait.h>

#include "hold_point.h"
#include "umem/fault_fence.h"
#include "umem/fault_request.h"

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
	       READ_ONCE(fault->window.region->dead);
}

/*
 * The range was invalidated after the exporter returned the fence: resolve
 * again.
 */
static bool fence_wait_stale(const struct ib_peer_fault *fault)
{
	return READ_ONCE(fault->window.region->seq) != fault->window.seq;
}

/**
 * ib_peer_fault_wait() - wait for a fence in an exporter's fault()
 * @fault: the fault
 * @fence: the fence; the caller holds a reference
 *
 * Context: may sleep. The caller holds no lock that others need.
 * Return: 0 signaled, with or without an error; -EAGAIN the range was
 * invalidated meanwhile, resolve it again; -EFAULT the region is dead, or the
 * umem is revoked; -EINTR the task is being killed; -ETIMEDOUT the deadline of
 * the fault has passed.
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
