// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See device.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../page_size.h"
#include "device.h"
#include "lib/mem_kind.h"
#include "lib/proc.h"

#define PARAMETERS "/sys/module/peer_maps/parameters/"
#define LOAD_MS 40000

/* Set once: the device keeps its PCI address. */
static char sysfs_dir[PATH_MAX];

static bool has_id(const char *device, const char *file, const char *id)
{
	char path[PATH_MAX], text[16] = "";
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", device, file);
	in = fopen(path, "re");
	if (!in)
		return false;
	if (!fgets(text, sizeof(text), in))
		text[0] = '\0';
	fclose(in);
	return !strncmp(text, id, strlen(id));
}

int maps_find_device(const char *vendor, const char *id, char *path, size_t size)
{
	int ret = -ENODEV;
	glob_t found;
	size_t i;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		return ret;
	for (i = 0; i < found.gl_pathc && ret; i++) {
		if (!has_id(found.gl_pathv[i], "vendor", vendor) ||
		    !has_id(found.gl_pathv[i], "device", id))
			continue;
		snprintf(path, size, "%s", found.gl_pathv[i]);
		ret = 0;
	}
	globfree(&found);
	return ret;
}

/* Finds the ivshmem-plain device of QEMU. */
static int find_device(void)
{
	return sysfs_dir[0] ? 0 : maps_find_device("0x1af4", "0x1110", sysfs_dir,
						   sizeof(sysfs_dir));
}

const char *maps_sysfs_path(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", sysfs_dir, name);
	return path;
}

const char *maps_file(const struct vt_mem_kind *kind)
{
	return kind == &vt_mem_driver ? MAPS_NODE : maps_sysfs_path("resource2");
}

int maps_bind(const char *driver)
{
	char name[PATH_MAX];
	int ret;

	snprintf(name, sizeof(name), "%s", sysfs_dir);
	ret = vt_write_file(maps_sysfs_path("driver_override"), driver ?: "none");
	if (!ret && !access(maps_sysfs_path("driver"), F_OK))
		ret = vt_write_file(maps_sysfs_path("driver/unbind"),
				    basename(name));
	if (!ret && driver)
		ret = vt_write_file("/sys/bus/pci/drivers_probe",
				    basename(name));
	if (!ret && driver && access(maps_sysfs_path("driver"), F_OK))
		ret = -ENODEV;
	return ret;
}

int maps_remove(void)
{
	return vt_write_file(maps_sysfs_path("remove"), "1");
}

/* Unloads peer_vram, which would bind the device and remove old mappings. */
int maps_rescan(void)
{
	static const char *const load[] = { "modprobe", "peer_vram", NULL };
	int ret = vt_rmmod("peer_vram");

	if (!ret)
		ret = vt_write_file("/sys/bus/pci/rescan", "1");
	if (!ret)
		ret = maps_bind("peer_test_maps");
	return vt_run(LOAD_MS, load) ?: ret;
}

/* The file has a line for each BAR: start, end, flags. */
uint64_t maps_bar_address(void)
{
	FILE *in = fopen(maps_sysfs_path("resource"), "re");
	uint64_t start = 0;

	if (!in)
		return 0;
	if (fscanf(in, "%*[^\n]\n%*[^\n]\n%" SCNx64, &start) != 1)
		start = 0;
	fclose(in);
	return start;
}

static int write_spec(const char *parameter, const char *kind, const char *name)
{
	char text[2 * PATH_MAX];

	snprintf(text, sizeof(text), "%s %s\n", kind, name);
	return vt_write_file(parameter, text);
}

int maps_allow(const char *kind, const char *name)
{
	return write_spec(PARAMETERS "allow", kind, name);
}

int maps_forbid(const char *kind, const char *name)
{
	return write_spec(PARAMETERS "forbid", kind, name);
}

/* Removes all entries, also those of an earlier test. */
static int forbid_all(void)
{
	char line[2 * PATH_MAX];
	FILE *in;
	int ret = 0;

	while (!ret) {
		in = fopen(PARAMETERS "allow", "re");
		if (!in)
			return -errno;
		if (!fgets(line, sizeof(line), in))
			line[0] = '\0';
		fclose(in);
		if (line[0] == '\0')
			break;
		ret = vt_write_file(PARAMETERS "forbid", line);
	}
	return ret;
}

int maps_setup(void)
{
	static const char *const argv[] = { "modprobe", "peer_maps", NULL };
	int ret = find_device();

	if (!ret)
		ret = vt_run(LOAD_MS, argv);
	if (!ret && !vt_module_is_loaded("peer_test_maps"))
		ret = vt_insmod_test("peer_test_maps.ko", NULL);
	return ret ? ret : maps_reset();
}

int maps_reset(void)
{
	int ret = forbid_all();

	return ret ? ret : maps_bind("peer_test_maps");
}

int maps_link_open(struct vt_link *link, const struct vt_mem_kind *kind,
		   size_t length, int access)
{
	static const struct vt_pair_opts opts = { .mtu = IBV_MTU_4096 };

	return vt_link_open(link, kind, length, access, &opts);
}

/* ---- memory kinds ---- */

/*
 * Finds addresses of which a multiple of a large page table entry is in the middle. The
 * core does not resolve pages across such a boundary in one call.
 */
static void *find_address(size_t length)
{
	size_t large = large_entry_size(), reserved = length + large;
	uint8_t *area = mmap(NULL, reserved, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t half = length / 2 & ~(page_size() - 1);

	if (area == MAP_FAILED)
		return area;
	munmap(area, reserved);
	return area + (-(uintptr_t)(area + half) & (large - 1));
}

static int map_file(struct vt_mem *mem, const char *path, size_t length,
		    unsigned int flags)
{
	int prot = PROT_READ | (flags & VT_MEM_READ_ONLY ? 0 : PROT_WRITE);
	void *addr_hint = find_address(length);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	mem->length = length;
	mem->addr = mmap(addr_hint, length, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	if (mem->addr == MAP_FAILED)
		ret = -errno;
	close(fd);
	return ret;
}

static int device_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	int ret;

	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	mem->fd = open(MAPS_NODE, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	ret = map_file(mem, maps_file(mem->kind), length, flags);
	if (ret)
		close(mem->fd);
	return ret;
}

static int device_read(struct vt_mem *mem, uint64_t offset, void *dst,
		       size_t length)
{
	ssize_t n = 1;

	for (; length && n > 0; dst = (uint8_t *)dst + n) {
		n = pread(mem->fd, dst, length, offset);
		offset += n;
		length -= n;
	}
	return n > 0 ? 0 : n ? -errno : -ERANGE;
}

static int device_write(struct vt_mem *mem, uint64_t offset, const void *src,
			size_t length)
{
	ssize_t n = 1;

	for (; length && n > 0; src = (const uint8_t *)src + n) {
		n = pwrite(mem->fd, src, length, offset);
		offset += n;
		length -= n;
	}
	return n > 0 ? 0 : n ? -errno : -ERANGE;
}

static int setup_and_allow(void)
{
	int ret = maps_setup();

	return ret ? ret : maps_allow("driver", "peer_test_maps");
}

#define DEVICE_KIND(kind_name, prepare_fn)				\
	{								\
		.name = kind_name,					\
		.exporter = "peer_maps",				\
		.prepare = prepare_fn,					\
		.alloc = device_alloc,					\
		.free = vt_mem_release,					\
		.read = device_read,					\
		.write = device_write,					\
	}

const struct vt_mem_kind vt_mem_resource = DEVICE_KIND("resource", NULL);
const struct vt_mem_kind vt_mem_driver = DEVICE_KIND("driver", NULL);
const struct vt_mem_kind vt_mem_allowed = DEVICE_KIND("allowed",
						      setup_and_allow);
