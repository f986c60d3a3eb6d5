// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The user namespace in which a program was executed is in the exec_state of the task.
 * Before: in its mm.
 */
#include <linux/sched.h>
#include <linux/sched/exec_state.h>

static struct task_exec_state state __used = { .user_ns = NULL };
static_assert(__same_type(((struct task_struct *)NULL)->exec_state, &state));
