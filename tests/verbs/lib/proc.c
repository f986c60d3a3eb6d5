// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See proc.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

/* Unloading may have to wait for an RCU grace period or two. */
#define MODULE_TIMEOUT_MS 40000

/* Parameters of a module: words, and bytes in all. */
#define PARAMS_MAX 8
#define PARAMS_SIZE 256

int64_t vt_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

bool vt_slow_kernel(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.release, "-peermem-");
}

/* Return: as waitpid(), but 0 after the timeout. */
static pid_t wait_until(pid_t pid, int *status, int64_t until)
{
	pid_t got;

	for (;;) {
		got = waitpid(pid, status, WNOHANG);
		if (got || vt_now_ms() > until)
			return got;
		usleep(5000);
	}
}

int vt_wait_child(pid_t pid, int timeout_ms)
{
	int status;
	pid_t got;

	got = wait_until(pid, &status, vt_now_ms() + timeout_ms);
	if (!got) {
		kill(pid, SIGKILL);
		wait_until(pid, &status, vt_now_ms() + 2000);
		return -ETIMEDOUT;
	}
	if (got < 0)
		return -errno;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

int vt_run(int timeout_ms, const char *const argv[])
{
	pid_t pid;

	/* Otherwise the child could write the buffered output again. */
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return vt_wait_child(pid, timeout_ms);
}

/* One byte of data, because an empty message cannot carry descriptors. */
struct fd_message {
	char byte;
	struct iovec iov;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg;
};

static void fd_message_init(struct fd_message *m)
{
	memset(m, 0, sizeof(*m));
	m->iov = (struct iovec){ &m->byte, 1 };
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->control.space;
	m->msg.msg_controllen = sizeof(m->control.space);
}

int vt_send_fd(int socket, int fd)
{
	struct fd_message m;
	struct cmsghdr *c;

	fd_message_init(&m);
	c = CMSG_FIRSTHDR(&m.msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &m.msg, 0) == 1 ? 0 : -errno;
}

int vt_recv_fd(int socket)
{
	struct fd_message m;
	struct cmsghdr *c;
	int fd;

	fd_message_init(&m);
	if (recvmsg(socket, &m.msg, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	c = CMSG_FIRSTHDR(&m.msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int vt_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	ret = n < 0 ? -errno : 0;
	close(fd);
	return ret;
}

bool vt_module_is_loaded(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

long vt_status_kib(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t length = strlen(name);
	char line[256];
	long kib = -1;

	if (!file)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			kib = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return kib;
}

/* Programs are in <build>/tests/verbs, test modules in <build>/tests/kmod. */
int vt_find_test_module(const char *ko, char *path, size_t size)
{
	const char *dir = getenv("PEERMEM_TEST_MODULES");
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	if (dir)
		snprintf(path, size, "%s/%s", dir, ko);
	else
		snprintf(path, size, "%s/../kmod/%s", dirname(self), ko);
	return 0;
}

/* Newer versions of insmod put quotes around a parameter that has spaces. */
int vt_insmod_test(const char *ko, const char *params)
{
	char path[PATH_MAX], words[PARAMS_SIZE], *word;
	const char *argv[PARAMS_MAX + 3] = { "insmod", path };
	int ret = vt_find_test_module(ko, path, sizeof(path));
	int i;

	if (ret)
		return ret;
	if (snprintf(words, sizeof(words), "%s", params ?: "") >= (int)sizeof(words))
		return -E2BIG;
	word = strtok(words, " ");
	for (i = 2; word && i < PARAMS_MAX + 2; i++, word = strtok(NULL, " "))
		argv[i] = word;
	return word ? -E2BIG : vt_run(MODULE_TIMEOUT_MS, argv);
}

int vt_rmmod(const char *name)
{
	const char *argv[] = { "rmmod", name, NULL };

	return vt_run(MODULE_TIMEOUT_MS, argv);
}
