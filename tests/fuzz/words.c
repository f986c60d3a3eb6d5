// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See words.h. */
#include <errno.h>
#include <sys/ioctl.h>

#include "words.h"

bool fz_corrupt(struct fz_run *run, uint32_t *words, size_t count)
{
	int n;

	if (!fz_chance(&run->rng, 30))
		return false;
	for (n = 1 + fz_below(&run->rng, 3); n; n--)
		words[fz_below(&run->rng, count)] = fz_boundary(&run->rng);
	return true;
}

long fz_ioctl_words(struct fz_run *run, const char *name, int fd,
		    unsigned long nr, uint32_t *words,
		   const struct fz_want *want)
{
	long ret;

	fz_lock(run);
	fz_begin(run, name, words[0], words[1], words[2], words[3], words[4]);
	fz_unlock(run);
	ret = ioctl(fd, nr, words) ? -errno : 0;
	fz_lock(run);
	fz_end(run, ret);
	fz_check(run, want, ret);
	fz_unlock(run);
	return ret;
}
