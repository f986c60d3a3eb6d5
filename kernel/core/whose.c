// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Which process a question is about, and whether one may ask. Of one's own memory
 * everybody may. What is told of another process's is about what
 * /proc/<pid>/maps tells; the kernel's own check for that
 * (ptrace_may_access(), with its security modules) is not for modules, and a copy
 * of a part of it would be a hole. So it takes CAP_SYS_PTRACE.
 */
#include <linux/capability.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "ib_peer.h"

static struct task_struct *whose_task(pid_t nr)
{
	struct task_struct *task;
	struct pid *pid;

	if (!nr)
		return get_task_struct(current);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	return task;
}

/* @pid: by the caller's numbers; 0: its own. Return: 0, -ESRCH, -EPERM. */
int ib_peer_whose_get(struct ib_peer_whose *whose, pid_t pid)
{
	whose->task = whose_task(pid);
	if (!whose->task)
		return -ESRCH;
	whose->mm = get_task_mm(whose->task);
	if (!whose->mm) {
		put_task_struct(whose->task);
		return -ESRCH;
	}
	if (whose->mm == current->mm ||
	    ns_capable(whose->mm->user_ns, CAP_SYS_PTRACE))
		return 0;
	ib_peer_whose_put(whose);
	return -EPERM;
}

void ib_peer_whose_put(struct ib_peer_whose *whose)
{
	mmput(whose->mm);
	put_task_struct(whose->task);
}

/*
 * Has the last process left it, so that only the kernel's own users keep it? Of a kernel
 * without CONFIG_MEMCG one cannot tell.
 */
bool ib_peer_mm_is_abandoned(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return !rcu_access_pointer(mm->owner);
#else
	return false;
#endif
}
