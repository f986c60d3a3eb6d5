// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A DMA engine and a controller memory buffer below one PCI Express switch. Requests
 * take the direct route, whether the host bridge is listed or not. If ACS of a port
 * between them redirects requests upstream, the host bridge must be listed.
 *
 * Needs a machine with a switch: ./run vm --switch.
 */
#include <kselftest_harness.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "../page_size.h"
#include "engine.h"
#include "lib/proc.h"

#define PAGE page_size()
#define SIZE (4 * PAGE)

#define DEVICES "/sys/bus/pci/devices"

/* Registers in PCI Express extended configuration space. */
#define FIRST_CAPABILITY 0x100
#define ACS 0x0d
#define ACS_CONTROL 6
#define ACS_REDIRECT_REQUESTS 0x04
#define ACS_REDIRECT_COMPLETIONS 0x08

/* Return: an ID from sysfs, or 0 on error. */
static unsigned int read_id(const char *name, const char *which)
{
	char path[PATH_MAX];
	unsigned int id = 0;
	FILE *file;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", name, which);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%x", &id) != 1)
		id = 0;
	fclose(file);
	return id;
}

static bool is_engine(const char *name)
{
	return read_id(name, "vendor") == 0x1234 &&
	       read_id(name, "device") == 0x11e8;
}

/* Opens the configuration space of the port above the engine. */
static int open_port(void)
{
	DIR *devices = opendir(DEVICES);
	struct dirent *entry;
	char path[PATH_MAX];
	int fd = -ENODEV;

	if (!devices)
		return -errno;
	while ((entry = readdir(devices))) {
		if (!is_engine(entry->d_name))
			continue;
		/* The path is a link, so ".." is the port above the device. */
		snprintf(path, sizeof(path), DEVICES "/%s/../config",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(devices);
	return fd;
}

/* Return: the offset of the ACS control register, or -errno. */
static int find_control(int port)
{
	uint32_t header;
	int offset;

	for (offset = FIRST_CAPABILITY; offset; offset = header >> 20) {
		if (pread(port, &header, sizeof(header), offset) != sizeof(header))
			return -EIO;
		if ((header & 0xffff) == ACS)
			return offset + ACS_CONTROL;
	}
	return -ENOENT;
}

FIXTURE(below_switch)
{
	struct en_buf b;
	int port, acs_control;
};

FIXTURE_SETUP(below_switch)
{
	ASSERT_EQ(0, en_load());
	self->port = open_port();
	ASSERT_LE(0, self->port);
	self->acs_control = find_control(self->port);
	ASSERT_LT(0, self->acs_control);
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_cmb));
	ASSERT_EQ(0, en_buf_prepare(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_cmb, SIZE));
}

/* Writes the ACS control register. Return: 0, -errno, or -EIO if bits stay 0. */
static int set_acs(FIXTURE_DATA(below_switch) *self, uint16_t control)
{
	uint16_t value;

	if (pwrite(self->port, &control, sizeof(control), self->acs_control) !=
	    sizeof(control))
		return -errno;
	if (pread(self->port, &value, sizeof(value), self->acs_control) !=
	    sizeof(value))
		return -errno;
	return value == control ? 0 : -EIO;
}

FIXTURE_TEARDOWN(below_switch)
{
	EXPECT_EQ(0, set_acs(self, 0));
	EXPECT_EQ(0, en_buf_close(&self->b));
	close(self->port);
}

static void check_access(struct __test_metadata *_metadata,
			 FIXTURE_DATA(below_switch) *self, uint64_t seed)
{
	ASSERT_EQ(0, en_buf_register(&self->b));
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, seed));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
}

TEST_F_TIMEOUT(below_switch, direct_route, 60)
{
	ASSERT_EQ(0, en_set_bridges("0:0"));
	check_access(_metadata, self, 2);
}

TEST_F_TIMEOUT(below_switch, acs_redirect, 60)
{
	static const uint16_t controls[] = {
		ACS_REDIRECT_REQUESTS, ACS_REDIRECT_COMPLETIONS,
		ACS_REDIRECT_REQUESTS | ACS_REDIRECT_COMPLETIONS,
	};
	size_t i;

	ASSERT_EQ(0, en_set_bridges("0:0"));
	for (i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		ASSERT_EQ(0, set_acs(self, controls[i]));
		EXPECT_EQ(-EREMOTEIO, en_buf_register(&self->b));
	}
	ASSERT_EQ(0, set_acs(self, 0));
	check_access(_metadata, self, 3);
}

/* IDs of the host bridge, as in a list of bridges: 8086:29c0 of a PC, 1b36:0008 on arm64. */
static int host_bridge(char *text, size_t size)
{
	static const char *const files[] = { "vendor", "device" };
	unsigned int ids[2];
	char path[80];
	FILE *file;
	int i, n;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:00.0/%s", files[i]);
		file = fopen(path, "re");
		if (!file)
			return -errno;
		n = fscanf(file, "%x", &ids[i]);
		fclose(file);
		if (n != 1)
			return -EIO;
	}
	snprintf(text, size, "%04x:%04x", ids[0], ids[1]);
	return 0;
}

/* The position of the host bridge in the list does not matter. */
TEST_F_TIMEOUT(below_switch, acs_redirect_to_listed_bridge, 60)
{
	static const char *const lists[] = {
		"%s", "%s,1af4:1110", "1af4:1110,%s", "1af4:1110,%s,1234:11e8",
	};
	char bridge[16], list[64];
	size_t i;

	ASSERT_EQ(0, host_bridge(bridge, sizeof(bridge)));
	ASSERT_EQ(0, set_acs(self, ACS_REDIRECT_REQUESTS));
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(list, sizeof(list), lists[i], bridge);
		ASSERT_EQ(0, en_set_bridges(list));
		check_access(_metadata, self, i);
	}
	ASSERT_EQ(0, en_set_bridges("8086:29c1,8087:29c0"));
	EXPECT_EQ(-EREMOTEIO, en_buf_register(&self->b));
}

TEST_HARNESS_MAIN
