// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See waiter.h. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counters.h"
#include "proc.h"
#include "timed_call.h"
#include "waiter.h"

static void __attribute__((noreturn)) run(int socket, int (*wait)(int socket))
{
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = wait(socket);
	if (write(socket, &ret, sizeof(ret)) == sizeof(ret))
		pause();
	_exit(1);
}

int vt_waiter_start(struct vt_waiter *waiter, int (*wait)(int socket))
{
	int pair[2];

	waiter->mrs = vt_resource_count("mr");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	waiter->pid = fork();
	if (waiter->pid < 0)
		return -errno;
	if (!waiter->pid)
		run(pair[1], wait);
	close(pair[1]);
	waiter->socket = pair[0];
	return 0;
}

int vt_waiter_ready(struct vt_waiter *waiter)
{
	int ret;

	if (read(waiter->socket, &ret, sizeof(ret)) != sizeof(ret))
		ret = -EIO;
	close(waiter->socket);
	return ret;
}

int vt_waiter_kill(struct vt_waiter *waiter)
{
	kill(waiter->pid, SIGKILL);
	if (vt_wait_child(waiter->pid, VT_CALL_TIMEOUT_MS) != 128 + SIGKILL)
		return -ETIMEDOUT;
	return vt_resource_wait("mr", waiter->mrs, VT_CALL_TIMEOUT_MS);
}
