// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A DMA engine and a controller's memory below one PCI Express switch: requests go
 * straight from one to the other, whatever is known of the host bridge, unless a port
 * between is told to send them up (ACS). Then the host bridge has to be listed.
 *
 * Needs a machine with a switch: ./run vm --switch.
 */
#include <kselftest_harness.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "engine.h"
#include "lib/proc.h"

#define PAGE 4096
#define SIZE (4 * PAGE)

#define DEVICES "/sys/bus/pci/devices"

/* In the configuration space of PCI Express. */
#define FIRST_CAPABILITY 0x100
#define ACS 0x0d
#define ACS_CONTROL 6
#define ACS_REQUESTS_UP 0x04
#define ACS_COMPLETIONS_UP 0x08

/* Of a device; 0: it has none. */
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

/* The configuration space of the port above the engine, or -errno. */
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
		/* A link: ".." is what is above it. */
		snprintf(path, sizeof(path), DEVICES "/%s/../config",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(devices);
	return fd;
}

/* Where the control register is, or -errno. */
static int find_control(int port)
{
	uint32_t head;
	int at;

	for (at = FIRST_CAPABILITY; at; at = head >> 20) {
		if (pread(port, &head, sizeof(head), at) != sizeof(head))
			return -EIO;
		if ((head & 0xffff) == ACS)
			return at + ACS_CONTROL;
	}
	return -ENOENT;
}

FIXTURE(below)
{
	struct en_buf b;
	int port, control;
};

FIXTURE_SETUP(below)
{
	ASSERT_EQ(0, en_load());
	self->port = open_port();
	ASSERT_LE(0, self->port);
	self->control = find_control(self->port);
	ASSERT_LT(0, self->control);
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_cmb));
	ASSERT_EQ(0, en_buf_prepare(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				    &vt_mem_cmb, SIZE));
}

static int direct(FIXTURE_DATA(below) *self, uint16_t control)
{
	uint16_t now;

	if (pwrite(self->port, &control, sizeof(control), self->control) !=
	    sizeof(control))
		return -errno;
	if (pread(self->port, &now, sizeof(now), self->control) != sizeof(now))
		return -errno;
	return now == control ? 0 : -EIO;
}

FIXTURE_TEARDOWN(below)
{
	EXPECT_EQ(0, direct(self, 0));
	EXPECT_EQ(0, en_buf_close(&self->b));
	close(self->port);
}

static void works(struct __test_metadata *_metadata,
		  FIXTURE_DATA(below) *self, uint64_t seed)
{
	ASSERT_EQ(0, en_buf_register(&self->b));
	EXPECT_EQ(0, en_put(&self->b, PAGE - 100, 300, seed));
	EXPECT_EQ(0, en_get(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_deregister(&self->b));
}

TEST_F_TIMEOUT(below, straight, 60)
{
	ASSERT_EQ(0, en_bridges("0:0"));
	works(_metadata, self, 2);
}

TEST_F_TIMEOUT(below, sent_up, 60)
{
	static const uint16_t controls[] = {
		ACS_REQUESTS_UP, ACS_COMPLETIONS_UP,
		ACS_REQUESTS_UP | ACS_COMPLETIONS_UP,
	};
	size_t i;

	ASSERT_EQ(0, en_bridges("0:0"));
	for (i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		ASSERT_EQ(0, direct(self, controls[i]));
		EXPECT_EQ(-EREMOTEIO, en_buf_register(&self->b));
	}
	ASSERT_EQ(0, direct(self, 0));
	works(_metadata, self, 3);
}

/* Wherever in the list it stands. */
TEST_F_TIMEOUT(below, sent_up_and_down, 60)
{
	static const char *const lists[] = {
		"8086:29c0", "8086:29c0,1af4:1110", "1af4:1110,8086:29c0",
		"1af4:1110,8086:29c0,1234:11e8",
	};
	size_t i;

	ASSERT_EQ(0, direct(self, ACS_REQUESTS_UP));
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		ASSERT_EQ(0, en_bridges(lists[i]));
		works(_metadata, self, i);
	}
	ASSERT_EQ(0, en_bridges("8086:29c1,8087:29c0"));
	EXPECT_EQ(-EREMOTEIO, en_buf_register(&self->b));
}

TEST_HARNESS_MAIN
