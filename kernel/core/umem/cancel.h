/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Waits for pages that an importer can cancel.
 */
#ifndef IB_PEER_CANCEL_H
#define IB_PEER_CANCEL_H

#include <linux/list.h>

struct task_struct;
struct work_struct;

/*
 * struct ib_peer_wait - a task that waits for pages
 * @work:      the work item that it runs; NULL: none, so nobody cancels the wait
 * @cancelled: the task stops waiting
 */
struct ib_peer_wait {
	struct hlist_node node;
	struct task_struct *task;
	const struct work_struct *work;
	bool cancelled;
};

void ib_peer_wait_begin(struct ib_peer_wait *wait);
void ib_peer_wait_end(struct ib_peer_wait *wait);

#endif
