// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The process that a call is about, and whether the caller may ask about it.
 * Every process may ask about itself. Replies about another process reveal
 * what /proc/<pid>/maps reveals. The kernel does not export its check for
 * that (ptrace_may_access(), with security modules), and a partial copy would
 * be a hole. So CAP_SYS_PTRACE is required.
 */
#include <compat/mm.h>
#include <linux/capability.h>
#include <linux/pid.h>

#include "user/process.h"

static struct task_struct *process_find_task(pid_t nr)
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

/*
 * @pid: in the caller's PID namespace; 0: the caller. Return: 0, -ESRCH,
 *       -EPERM.
 */
int ib_peer_process_get(struct ib_peer_process *process, pid_t pid)
{
	struct user_namespace *user_ns;
	bool may;

	process->task = process_find_task(pid);
	if (!process->task)
		return -ESRCH;
	process->mm = peer_get_task_mm(process->task, &user_ns);
	if (!process->mm) {
		put_task_struct(process->task);
		return -ESRCH;
	}
	may = process->mm == current->mm || ns_capable(user_ns, CAP_SYS_PTRACE);
	put_user_ns(user_ns);
	if (may)
		return 0;
	ib_peer_process_put(process);
	return -EPERM;
}

void ib_peer_process_put(struct ib_peer_process *process)
{
	mmput(process->mm);
	put_task_struct(process->task);
}
