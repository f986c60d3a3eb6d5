// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "file_limit.h"
#include "proc.h"

#define FILE_MAX "/proc/sys/fs/file-max"
#define NOBODY 65534

static struct rlimit descriptors;
static char files[32];

static int set_descriptors(const struct rlimit *limit)
{
	return setrlimit(RLIMIT_NOFILE, limit) ? -errno : 0;
}

int vt_deny_descriptors(void)
{
	struct rlimit none;

	if (getrlimit(RLIMIT_NOFILE, &descriptors))
		return -errno;
	none = descriptors;
	none.rlim_cur = 0;
	return set_descriptors(&none);
}

int vt_allow_descriptors(void)
{
	return set_descriptors(&descriptors);
}

int vt_deny_files(void)
{
	FILE *file = fopen(FILE_MAX, "re");
	int n, ret;

	if (!file)
		return -errno;
	n = fscanf(file, "%31s", files);
	fclose(file);
	if (n != 1)
		return -EIO;
	/* The kernel compares this with an estimate, which may be 0. */
	ret = vt_write_file(FILE_MAX, "0");
	if (ret)
		return ret;
	return seteuid(NOBODY) ? -errno : 0;
}

int vt_allow_files(void)
{
	if (seteuid(0))
		return -errno;
	return vt_write_file(FILE_MAX, files);
}
