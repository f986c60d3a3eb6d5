// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "proc.h"

int vt_driver_find(struct vt_driver *device, const char *node)
{
	char link[128], path[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/class/misc/%s/device",
		 strrchr(node, '/') + 1);
	if (!realpath(link, path))
		return -errno;
	snprintf(device->name, sizeof(device->name), "%s",
		 strrchr(path, '/') + 1);
	strcat(link, "/driver");
	return realpath(link, device->driver) ? 0 : -errno;
}

int vt_driver_write(const struct vt_driver *device, const char *what)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", device->driver, what);
	return vt_write_file(path, device->name);
}
