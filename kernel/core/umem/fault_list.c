// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The faults of a umem that are in progress: counted, listed, and killed.
 *
 * peer->active_faults counts every fault from queueing to its end. Deregistration
 * waits until it is zero (ib_umem_peer_drain_faults()). peer->works lists the faults
 * that are queued for workers or run by them. Those that run can be killed, like a
 * task that gets SIGKILL.
 */
#include <linux/list.h>
#include <linux/sched/signal.h>
#include <linux/wait_bit.h>

#include "umem/fault_list.h"

/* Called when a fault is queued, and again when it runs. */
void ib_umem_peer_fault_begin(struct ib_umem_peer *peer)
{
	atomic_inc(&peer->active_faults);
	/* Orders the count before the check whether the umem is revoked. */
	smp_mb__after_atomic();
}

void ib_umem_peer_fault_end(struct ib_umem_peer *peer)
{
	/*
	 * The umem may be freed at once: wake_up_var() uses only the address.
	 */
	if (atomic_dec_and_test(&peer->active_faults))
		wake_up_var(&peer->active_faults);
}

/* The umem is revoked: faults in progress end soon, new ones do nothing. */
void ib_umem_peer_drain_faults(struct ib_umem_peer *peer)
{
	wait_var_event(&peer->active_faults,
		       !atomic_read(&peer->active_faults));
}

/* The result may be outdated when the function returns. */
bool ib_umem_peer_is_faulting(struct ib_umem_peer *peer)
{
	return !list_empty_careful(&peer->works);
}

/*
 * The umem is revoked, or its address space is abandoned. Faults in progress
 * end soon; new ones do nothing.
 */
void ib_umem_peer_kill_faults(struct ib_umem_peer *peer)
{
	struct peer_active_fault *fault;

	spin_lock(&peer->work_lock);
	list_for_each_entry(fault, &peer->works, node)
		if (fault->task)
			send_sig(SIGKILL, fault->task, 1);
	spin_unlock(&peer->work_lock);
}

/*
 * Called by the worker. From now on ib_umem_peer_kill_faults() kills the
 * fault.
 */
void peer_active_fault_start(struct ib_umem_peer *peer,
			     struct peer_active_fault *fault)
{
	allow_kernel_signal(SIGKILL);
	spin_lock(&peer->work_lock);
	fault->task = current;
	spin_unlock(&peer->work_lock);
}

/* peer->work_lock is held. The caller then calls disallow_signal(SIGKILL). */
void peer_active_fault_stop(struct ib_umem_peer *peer,
			    struct peer_active_fault *fault)
{
	lockdep_assert_held(&peer->work_lock);

	fault->task = NULL;
	list_del(&fault->node);
}
