// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See counters.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "nldev.h"
#include "proc.h"

static int read_number(const char *path, uint64_t *value)
{
	FILE *file = fopen(path, "re");
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%" SCNu64, value);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

static int read_one(const char *exporter, const char *name, uint64_t *value)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/kernel/mm/memory_peers/%s/%s",
		 exporter, name);
	return read_number(path, value);
}

int vt_counters_read(const struct vt_mem_kind *kind, struct vt_counters *c)
{
	const struct {
		const char *name;
		uint64_t *value;
	} files[] = {
		{ "num_alloc_mrs", &c->alloc_mrs },
		{ "num_dealloc_mrs", &c->dealloc_mrs },
		{ "num_reg_pages", &c->reg_pages },
		{ "num_dereg_pages", &c->dereg_pages },
		{ "num_reg_bytes", &c->reg_bytes },
		{ "num_dereg_bytes", &c->dereg_bytes },
		{ "num_free_callbacks", &c->free_callbacks },
		{ "num_faults", &c->faults },
	};
	size_t i;
	int ret = 0;

	memset(c, 0, sizeof(*c));
	kind = vt_mem_base(kind);
	if (!kind->exporter)
		return 0;
	for (i = 0; !ret && i < sizeof(files) / sizeof(files[0]); i++)
		ret = read_one(kind->exporter, files[i].name, files[i].value);
	return ret;
}

static int is_balanced(const struct vt_counters *c)
{
	return c->alloc_mrs == c->dealloc_mrs &&
	       c->reg_pages == c->dereg_pages &&
	       c->reg_bytes == c->dereg_bytes;
}

int vt_counters_balanced(const struct vt_mem_kind *kind)
{
	struct vt_counters c;
	int tries, ret;

	for (tries = 0; tries < 50; tries++) {
		ret = vt_counters_read(kind, &c);
		if (ret || is_balanced(&c))
			return ret;
		usleep(100000);
	}
	fprintf(stderr,
		"# %s: %" PRIu64 " MRs, %" PRIu64 " released; %" PRIu64 " pages, %" PRIu64 "\n",
		kind->name, c.alloc_mrs, c.dealloc_mrs, c.reg_pages,
		c.dereg_pages);
	return -EBUSY;
}

static const char *device_name(void)
{
	const char *name = getenv("PEERMEM_RDMA_DEVICE");

	return name ? name : "rxe0";
}

/* The counters of the last on-demand MR, and the number of these MRs. */
struct mr_sum {
	struct vt_mr_counters *counters;
	int mrs;
};

static void add_mr_counter(const char *name, uint64_t number, void *arg)
{
	struct mr_sum *sum = arg;

	if (!strcmp(name, "page_faults")) {
		sum->counters->faults = number;
		sum->mrs++;
	} else if (!strcmp(name, "page_invalidations")) {
		sum->counters->invalidations = number;
	} else if (!strcmp(name, "page_prefetch")) {
		sum->counters->prefetch = number;
	}
}

int vt_mr_counters_read(struct vt_mr_counters *counters)
{
	struct mr_sum sum = { counters, 0 };
	int ret = vt_nldev_mr_counters(device_name(), add_mr_counter, &sum);

	if (ret)
		return ret;
	return sum.mrs == 1 ? 0 : sum.mrs ? sum.mrs : -ENOENT;
}

long vt_port_counter(const char *name)
{
	char path[256];
	uint64_t value;
	int ret;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/hw_counters/%s",
		 device_name(), name);
	ret = read_number(path, &value);
	return ret ? ret : (long)value;
}

long vt_faults_ended(void)
{
	uint64_t value;
	int ret = read_number("/sys/kernel/debug/ib_peer_mem/passed/faulted", &value);

	return ret ? ret : (long)value;
}

struct resource_count {
	const char *what;
	int count;
};

static void take_count(const char *name, uint64_t number, void *arg)
{
	struct resource_count *count = arg;

	if (!strcmp(name, count->what))
		count->count = number;
}

int vt_resource_count(const char *what)
{
	struct resource_count count = { what, -ENOENT };
	int ret = vt_nldev_resources(device_name(), take_count, &count);

	return ret ? ret : count.count;
}

int vt_resource_wait(const char *what, int count, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;

	while (vt_resource_count(what) != count) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(100000);
	}
	return 0;
}
