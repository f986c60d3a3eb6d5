// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See command.h. */
#include <spawn.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "lib/proc.h"

/* A command may load a module, on an emulated machine. */
#define TIMEOUT_MS 60000

/* What the command has as NODE. */
#define NODE_FD 3

/*
 * Only the child changes descriptors: libibverbs writes to those of this process. The
 * child is not a copy of this process, so the pages of registered memory stay here.
 */
int et_command(const char *command, int fd)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int ret;

	fflush(NULL);
	ret = posix_spawn_file_actions_init(&actions);
	if (ret)
		return -ret;
	ret = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
					       STDOUT_FILENO);
	/* Also clears close-on-exec if both are the same. */
	if (!ret && fd >= 0)
		ret = posix_spawn_file_actions_adddup2(&actions, fd, NODE_FD);
	if (!ret)
		ret = posix_spawnp(&pid, "sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return ret ? -ret : vt_wait_child(pid, TIMEOUT_MS);
}
