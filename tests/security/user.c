// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Users without privileges; see user.h. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../vram/vram.h"
#include "lib/proc.h"
#include "user.h"

#define GROUP 65534

int user_grant_device(void)
{
	if (chown(VRAM_NODE, 0, GROUP) || chmod(VRAM_NODE, 0660))
		return -errno;
	return 0;
}

int user_become(uid_t uid)
{
	gid_t group = GROUP;

	if (setgroups(1, &group) || setresgid(group, group, group) ||
	    setresuid(uid, uid, uid) || prctl(PR_SET_DUMPABLE, 1))
		return -errno;
	return 0;
}

int user_run(uid_t uid, int (*fn)(void *arg), void *arg, int timeout_ms)
{
	pid_t pid = fork();
	int ret;

	if (pid < 0)
		return -errno;
	if (!pid) {
		ret = user_become(uid);
		if (!ret)
			ret = fn(arg);
		_exit(-ret);
	}
	ret = vt_wait_child(pid, timeout_ms);
	if (ret < 0)
		return ret;
	return ret < 128 ? -ret : -EINTR;
}
