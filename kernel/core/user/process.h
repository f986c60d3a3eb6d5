/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The process that a call of /dev/peer_mem is about.
 */
#ifndef IB_PEER_PROCESS_H
#define IB_PEER_PROCESS_H

#include <linux/types.h>

struct mm_struct;
struct task_struct;

/*
 * struct ib_peer_process - a process that is asked about, with its references
 * @task: its first thread; for PID 0, the calling thread
 * @mm:   its memory
 */
struct ib_peer_process {
	struct task_struct *task;
	struct mm_struct *mm;
};

int ib_peer_process_get(struct ib_peer_process *process, pid_t pid);
void ib_peer_process_put(struct ib_peer_process *process);

#endif
