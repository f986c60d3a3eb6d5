// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See state.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_bar.h>

#include "../vram/vram.h"
#include "lib/counters.h"
#include "lib/nldev.h"
#include "lib/proc.h"
#include "inject.h"
#include "state.h"

/* Time for work items, on an emulated machine with all processors busy. */
#define SETTLE_MS 5000

static const char *const names[STATE_ITEMS] = {
	"buffer objects", "VRAM used", "VRAM pinned",
	"system memory used", "creatable", "regions of peer_vram",
	"pages of peer_vram", "bytes of peer_vram",
	"regions of the PeerDirect client", "pages of the PeerDirect client",
	"bytes of the PeerDirect client", "controller memory used",
	"controller memory allocations", "regions of peer_cmb",
	"pages of peer_cmb",
	"bytes of peer_cmb", "regions of peer_maps", "pages of peer_maps",
	"bytes of peer_maps", "RDMA objects",
	"pinned memory", "descriptors",
	"lowest free descriptor",
};

static int read_vram(struct state *state)
{
	struct peer_vram_info info;
	int fd = vram_open(O_RDWR);
	int ret;

	/* Another driver may use the device. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	ret = vram_info(fd, &info);
	close(fd);
	state->item[STATE_VRAM_OBJECTS] = info.objects;
	state->item[STATE_VRAM_USED] = info.vram_used;
	state->item[STATE_VRAM_PINNED] = info.vram_pinned;
	state->item[STATE_VRAM_SYSTEM_USED] = info.system_used;
	state->item[STATE_VRAM_CREATABLE] = info.creatable;
	return ret;
}

/* Reads the state of the device file that the tests use, if it exists. */
static int read_cmb(struct state *state)
{
	struct peer_bar_info info = { .size = sizeof(info) };
	int fd = open(vt_mem_cmb.node, O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	ret = ioctl(fd, PEER_BAR_IOC_INFO, &info) ? -errno : 0;
	close(fd);
	state->item[STATE_CMB_USED] = info.total - info.available;
	state->item[STATE_CMB_ALLOCATIONS] = info.allocations;
	return ret;
}

static int read_client(const struct vt_mem_kind *kind, uint64_t *items)
{
	struct vt_counters c;
	int ret = vt_counters_read(kind, &c);

	/* The module of an exporter that is not needed is not loaded. */
	if (ret == -ENOENT)
		return 0;
	items[0] = c.alloc_mrs - c.dealloc_mrs;
	items[1] = c.reg_pages - c.dereg_pages;
	items[2] = c.reg_bytes - c.dereg_bytes;
	return ret;
}

static int read_pinned(uint64_t *pinned)
{
	long kib = vt_status_kib("VmPin");

	*pinned = kib;
	return kib < 0 ? -ENOENT : 0;
}

static int count_descriptors(uint64_t *count, uint64_t *next)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return -errno;
	*next = dirfd(dir);
	while ((entry = readdir(dir)))
		*count += atoi(entry->d_name) < INJECT_FIRST_FD;
	closedir(dir);
	return 0;
}

static void add_number(const char *name, uint64_t number, void *sum)
{
	(void)name;
	*(uint64_t *)sum += number;
}

int state_read(struct state *state)
{
	static const struct vt_mem_kind maps = { .exporter = "peer_maps" };
	int ret;

	memset(state, 0, sizeof(*state));
	ret = read_vram(state);
	if (!ret)
		ret = read_client(&vt_mem_vram, &state->item[STATE_VRAM_MRS]);
	if (!ret)
		ret = read_client(&vt_mem_peerdirect,
				  &state->item[STATE_PEERDIRECT_MRS]);
	if (!ret)
		ret = read_cmb(state);
	if (!ret)
		ret = read_client(&vt_mem_cmb, &state->item[STATE_CMB_MRS]);
	if (!ret)
		ret = read_client(&maps, &state->item[STATE_MAPS_MRS]);
	if (!ret)
		ret = vt_nldev_resources(NULL, add_number,
					 &state->item[STATE_RDMA_OBJECTS]);
	if (!ret)
		ret = read_pinned(&state->item[STATE_PINNED]);
	if (!ret)
		ret = count_descriptors(&state->item[STATE_DESCRIPTORS],
					&state->item[STATE_NEXT_DESCRIPTOR]);
	return ret;
}

static void print_differences(const struct state *before,
			      const struct state *now)
{
	int i;

	for (i = 0; i < STATE_ITEMS; i++)
		if (before->item[i] != now->item[i])
			fprintf(stderr, "# %s: %" PRIu64 ", want %" PRIu64 "\n",
				names[i], now->item[i], before->item[i]);
}

int state_same(const struct state *before)
{
	int64_t until = vt_now_ms() + SETTLE_MS;
	struct state now;
	int ret;

	do {
		ret = state_read(&now);
		if (ret || !memcmp(before, &now, sizeof(now)))
			return ret;
		usleep(2000);
	} while (vt_now_ms() < until);
	print_differences(before, &now);
	return -EBUSY;
}
