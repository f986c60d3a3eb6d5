// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plug.h"
#include "proc.h"

#define PORT "peermem.monitor"

/* A QMP connection: one JSON object per line. */
struct monitor {
	int fd;
	size_t filled;
	char text[8192];	/* read, but not yet parsed */
};

static int read_first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	char *got;

	if (!file)
		return -errno;
	got = fgets(line, size, file);
	fclose(file);
	if (!got)
		return -EIO;
	line[strcspn(line, "\n")] = 0;
	return 0;
}

static int monitor_open(struct monitor *mon)
{
	char name[64], path[128] = "";
	glob_t ports;
	size_t i;

	mon->filled = 0;
	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &ports))
		return -ENOENT;
	for (i = 0; i < ports.gl_pathc; i++)
		if (!read_first_line(ports.gl_pathv[i], name, sizeof(name)) &&
		    !strcmp(name, PORT))
			snprintf(path, sizeof(path), "/dev/%s",
				 basename(dirname(ports.gl_pathv[i])));
	globfree(&ports);
	mon->fd = open(path, O_RDWR | O_CLOEXEC);
	return mon->fd < 0 ? -errno : 0;
}

static int monitor_say(struct monitor *mon, const char *command)
{
	size_t length = strlen(command);

	return write(mon->fd, command, length) == (ssize_t)length ? 0 : -EIO;
}

/* Removes the next line from the buffer. Return: false if no line is complete. */
static bool monitor_pop(struct monitor *mon, char *line, size_t size)
{
	char *end;

	mon->text[mon->filled] = 0;
	end = strchr(mon->text, '\n');
	if (!end)
		return false;
	*end++ = 0;
	snprintf(line, size, "%.*s", (int)size - 1, mon->text);
	mon->filled -= end - mon->text;
	memmove(mon->text, end, mon->filled);
	return true;
}

/* Reads until a line contains @wanted, and copies that line to @line. */
static int monitor_wait(struct monitor *mon, const char *wanted, int64_t until,
			char *line, size_t size)
{
	struct pollfd poll_fd = { .fd = mon->fd, .events = POLLIN };
	ssize_t got;

	for (;;) {
		while (monitor_pop(mon, line, size))
			if (strstr(line, wanted))
				return 0;
		if (vt_now_ms() > until ||
		    mon->filled == sizeof(mon->text) - 1)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, 100) != 1)
			continue;
		got = read(mon->fd, mon->text + mon->filled,
			   sizeof(mon->text) - 1 - mon->filled);
		if (got < 0)
			return -errno;
		mon->filled += got;
	}
}

/*
 * @command: members of the QMP command. Return: 0, -EINVAL if QEMU reports an error,
 * or -errno.
 */
static int monitor_do(struct monitor *mon, const char *command)
{
	char line[512];
	int ret;

	snprintf(line, sizeof(line),
		 /* After the first time this command fails, without effect. */
		 "{\"execute\": \"qmp_capabilities\"}\n"
		 "{%s, \"id\": \"vt-%lld\"}\n", command, (long long)vt_now_ms());
	ret = monitor_say(mon, line);
	if (!ret)
		ret = monitor_wait(mon, "\"vt-", vt_now_ms() + 10000, line,
				   sizeof(line));
	if (!ret && !strstr(line, "\"return\"")) {
		fprintf(stderr, "QEMU: %s\n", line);
		ret = -EINVAL;
	}
	return ret;
}

int vt_unplug(const char *id, int timeout_ms)
{
	char command[256], line[512], gone[128];
	int64_t until = vt_now_ms() + timeout_ms;
	struct monitor mon;
	int ret;

	snprintf(command, sizeof(command),
		 "\"execute\": \"device_del\", \"arguments\": {\"id\": \"%s\"}", id);
	snprintf(gone, sizeof(gone), "\"device\": \"%s\"", id);
	ret = monitor_open(&mon);
	if (ret)
		return ret;
	ret = monitor_do(&mon, command);
	while (!ret) {
		ret = monitor_wait(&mon, "DEVICE_DELETED", until, line,
				   sizeof(line));
		if (!ret && strstr(line, gone))
			break;
	}
	close(mon.fd);
	return ret;
}

int vt_plug(const char *device)
{
	struct monitor mon;
	char command[400];
	int ret;

	snprintf(command, sizeof(command),
		 "\"execute\": \"device_add\", \"arguments\": {%s}", device);
	ret = monitor_open(&mon);
	if (ret)
		return ret;
	ret = monitor_do(&mon, command);
	close(mon.fd);
	return ret;
}
