// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See hold.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "lib/proc.h"

#define WAIT_MS (vt_slow_kernel() ? 20000 : 10000)

static void path_of(char *path, size_t room, const char *point)
{
	snprintf(path, room, "/sys/kernel/debug/ib_peer_mem/hold/%s", point);
}

static int write_ms(const char *point, unsigned int ms)
{
	char path[128], text[16];

	path_of(path, sizeof(path), point);
	snprintf(text, sizeof(text), "%u", ms);
	return vt_write_file(path, text);
}

static bool state_is(const char *point, const char *state)
{
	char path[128], text[16] = "";
	int fd;

	path_of(path, sizeof(path), point);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return !strncmp(text, state, strlen(state));
}

/* A test that was killed may have left somebody there. */
int hold_arm(const char *point, unsigned int ms)
{
	int64_t until = vt_now_ms() + HOLD_LONG;
	int ret;

	while ((ret = write_ms(point, ms)) == -EBUSY && vt_now_ms() < until) {
		hold_let_go(point);
		usleep(10000);
	}
	return ret;
}

int hold_wait(const char *point)
{
	int64_t until = vt_now_ms() + WAIT_MS;

	do {
		if (state_is(point, "held"))
			return 0;
		usleep(1000);
	} while (vt_now_ms() < until);
	return -ETIMEDOUT;
}

int hold_let_go(const char *point)
{
	return write_ms(point, 0);
}

bool hold_held(const char *point)
{
	return state_is(point, "held");
}
