// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See users.h. */
#include <errno.h>
#include <unistd.h>

#include "lib/proc.h"
#include "users.h"

static void *run_user(void *arg)
{
	struct user *user = arg;

	do {
		user->last = user->use(user->what);
		atomic_fetch_add(&user->rounds, 1);
	} while (!user->last);
	return NULL;
}

/* Does not count the first call, which may only set things up. */
static int count_starting(struct user *users, int count)
{
	int n, starting = 0;

	for (n = 0; n < count; n++)
		starting += atomic_load(&users[n].rounds) < 2;
	return starting;
}

int users_start(struct user *users, int count, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;
	int n, ret;

	for (n = 0; n < count; n++) {
		ret = pthread_create(&users[n].thread, NULL, run_user, &users[n]);
		if (ret)
			return -ret;
	}
	while (count_starting(users, count)) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(10000);
	}
	return 0;
}

int users_join(struct user *users, int count)
{
	int n, ret = 0;

	for (n = 0; n < count && !ret; n++)
		ret = -pthread_join(users[n].thread, NULL);
	return ret;
}
