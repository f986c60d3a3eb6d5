// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See cmb.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmb.h"
#include "lib/proc.h"

#define DEVICES "/sys/bus/pci/devices"
#define CLASS_NVME "0x010802"
#define MODULE_TIMEOUT_MS 60000

/* ---- controllers ------------------------------------------------------ */

static bool is_nvme(const char *class_path)
{
	char text[16] = "";
	int fd = open(class_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return !strncmp(text, CLASS_NVME, strlen(CLASS_NVME));
}

const char *cmb_address(enum cmb_controller which)
{
	static char address[CMB_CONTROLLERS][16];
	unsigned int n = 0;
	glob_t found;
	size_t i;

	/* Cache the addresses, because a test may remove a controller. */
	if (address[which][0])
		return address[which];
	if (glob(DEVICES "/*/class", 0, NULL, &found))
		return NULL;
	for (i = 0; i < found.gl_pathc && n < CMB_CONTROLLERS; i++)
		if (is_nvme(found.gl_pathv[i]))
			sscanf(found.gl_pathv[i] + strlen(DEVICES),
			       "/%15[^/]", address[n++]);
	globfree(&found);
	return which < n ? address[which] : NULL;
}

void cmb_sysfs(enum cmb_controller which, const char *name, char *path,
	       size_t size)
{
	snprintf(path, size, DEVICES "/%s/%s", cmb_address(which), name);
}

int cmb_sysfs_write(enum cmb_controller which, const char *name,
		    const char *text)
{
	char path[PATH_MAX];

	cmb_sysfs(which, name, path, sizeof(path));
	return vt_write_file(path, text);
}

int cmb_load(void)
{
	const char *argv[] = { "modprobe", "-a", "peer_cmb", "nvme", NULL };

	return vt_run(MODULE_TIMEOUT_MS, argv);
}

bool cmb_is_bound(enum cmb_controller which, const char *driver)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	cmb_sysfs(which, "driver", path, sizeof(path));
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return !driver;
	link[n] = 0;
	return driver && !strcmp(strrchr(link, '/') + 1, driver);
}

int cmb_bind(enum cmb_controller which, const char *driver)
{
	int ret = 0;

	if (cmb_is_bound(which, driver))
		return 0;
	if (!cmb_is_bound(which, NULL))
		ret = cmb_sysfs_write(which, "driver/unbind",
				      cmb_address(which));
	if (!ret)
		ret = cmb_sysfs_write(which, "driver_override",
				      driver ? driver : "\n");
	if (!ret && driver)
		ret = vt_write_file("/sys/bus/pci/drivers_probe",
				    cmb_address(which));
	if (!ret && !cmb_is_bound(which, driver))
		ret = -ENODEV;
	return ret;
}

int cmb_find(enum cmb_controller which, const char *pattern, char *node,
	     size_t size)
{
	char path[PATH_MAX];
	glob_t found;

	cmb_sysfs(which, pattern, path, sizeof(path));
	if (glob(path, 0, NULL, &found))
		return -ENOENT;
	snprintf(node, size, "/dev/%s",
		 strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return 0;
}

/* The kernel scans for disks asynchronously after the driver was bound. */
int cmb_open_disk(enum cmb_controller which, int flags)
{
	int fd = -ENOENT, tries;
	char node[64];

	for (tries = 0; fd < 0 && tries < 300; tries++, usleep(50000))
		if (!cmb_find(which, "nvme/nvme*/nvme[0-9]*n[0-9]*", node,
			      sizeof(node)))
			fd = open(node, flags | O_CLOEXEC);
	return fd;
}

/* ---- device file ------------------------------------------------------ */

int cmb_node(enum cmb_controller which, char *node, size_t size)
{
	return cmb_find(which, "misc/peer_cmb*", node, size);
}

int cmb_open(enum cmb_controller which, int flags)
{
	char node[64];
	int ret = cmb_node(which, node, sizeof(node));
	int fd;

	if (ret)
		return ret;
	fd = open(node, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void *cmb_map(int fd, size_t length)
{
	void *addr = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  0);

	return addr == MAP_FAILED ? NULL : addr;
}

int cmb_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

int cmb_info(int fd, struct peer_bar_info *info)
{
	*info = (struct peer_bar_info){ .size = sizeof(*info) };
	return cmb_ioctl(fd, PEER_BAR_IOC_INFO, info);
}

int cmb_disk(int fd, struct peer_cmb_disk *disk)
{
	*disk = (struct peer_cmb_disk){ .size = sizeof(*disk) };
	return cmb_ioctl(fd, PEER_CMB_IOC_DISK, disk);
}

static int cmb_io(int fd, int disk, const void *addr, uint64_t length,
		  uint64_t offset, uint32_t flags)
{
	struct peer_cmb_io io = {
		.size = sizeof(io),
		.flags = flags,
		.addr = (uintptr_t)addr,
		.length = length,
		.offset = offset,
		.disk = disk,
	};

	return cmb_ioctl(fd, PEER_CMB_IOC_IO, &io);
}

int cmb_write_to(int fd, int disk, const void *addr, uint64_t length,
		 uint64_t offset)
{
	return cmb_io(fd, disk, addr, length, offset, PEER_CMB_IO_WRITE);
}

int cmb_read_from(int fd, int disk, void *addr, uint64_t length, uint64_t offset)
{
	return cmb_io(fd, disk, addr, length, offset, 0);
}

int cmb_write_disk(int fd, const void *addr, uint64_t length, uint64_t offset)
{
	return cmb_write_to(fd, -1, addr, length, offset);
}

int cmb_read_disk(int fd, void *addr, uint64_t length, uint64_t offset)
{
	return cmb_read_from(fd, -1, addr, length, offset);
}
