// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See hold.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "lib/proc.h"

#define WAIT_MS (vt_slow_kernel() ? 20000 : 10000)

#define ROOT "/sys/kernel/debug/ib_peer_mem/"

static void path_of(char *path, size_t room, const char *point)
{
	snprintf(path, room, ROOT "hold/%s", point);
}

static int write_ms(const char *point, unsigned int ms)
{
	char path[128], text[16];

	path_of(path, sizeof(path), point);
	snprintf(text, sizeof(text), "%u", ms);
	return vt_write_file(path, text);
}

/* Reads a file into @text. Stores "" if the file cannot be read. */
static void read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, room - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
}

static bool state_is(const char *point, const char *state)
{
	char path[128], text[16];

	path_of(path, sizeof(path), point);
	read_text(path, text, sizeof(text));
	return !strncmp(text, state, strlen(state));
}

/*
 * A previous test that was killed may have left a thread at the hold point:
 * release that thread first.
 */
int hold_arm(const char *point, unsigned int ms)
{
	int64_t until = vt_now_ms() + HOLD_LONG;
	int ret;

	while ((ret = write_ms(point, ms)) == -EBUSY && vt_now_ms() < until) {
		hold_release(point);
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

int hold_release(const char *point)
{
	return write_ms(point, 0);
}

bool hold_is_held(const char *point)
{
	return state_is(point, "held");
}

int hold_count(const char *point)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), ROOT "passed/%s", point);
	read_text(path, text, sizeof(text));
	return *text ? atoi(text) : -1;
}

int hold_set_fault_timeout(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms ? ms : 60000);
	return vt_write_file(ROOT "fault_timeout_ms", text);
}
