// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See counters.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
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

/* Runs "rdma -j @what" and reads its output. Return: a string to free, or NULL and errno. */
static char *rdma_json(const char *what)
{
	char command[64], *text = NULL;
	size_t size = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "rdma -j %s", what);
	pipe = popen(command, "re");
	if (!pipe)
		return NULL;
	errno = EIO;
	/* No NUL in the output: reads all of it. */
	if (getdelim(&text, &size, '\0', pipe) < 0) {
		free(text);
		text = NULL;
	}
	pclose(pipe);
	return text;
}

/*
 * Reads a number of JSON: that of the first @key in the text. Return: the text behind the
 * key, or NULL if there is no such key.
 */
static const char *json_number(const char *text, const char *key, unsigned long *value)
{
	char word[64];
	const char *at;

	snprintf(word, sizeof(word), "\"%s\":", key);
	at = strstr(text, word);
	if (!at)
		return NULL;
	at += strlen(word);
	*value = strtoul(at, NULL, 10);
	return at;
}

int vt_mr_counters_read(struct vt_mr_counters *counters)
{
	char *text = rdma_json("statistic show mr");
	const char *at;
	int found = 0;

	if (!text)
		return -errno;
	for (at = text; (at = json_number(at, "page_faults", &counters->faults)); found++) {
		json_number(at, "page_invalidations", &counters->invalidations);
		json_number(at, "page_prefetch", &counters->prefetch);
	}
	free(text);
	return found == 1 ? 0 : found ? found : -ENOENT;
}

static const char *device_name(void)
{
	const char *name = getenv("PEERMEM_RDMA_DEVICE");

	return name ? name : "rxe0";
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

int vt_resource_count(const char *what)
{
	char command[64], *text;
	unsigned long count;
	int ret = -ENOENT;

	snprintf(command, sizeof(command), "resource show %s", device_name());
	text = rdma_json(command);
	if (!text)
		return -errno;
	if (json_number(text, what, &count))
		ret = count;
	free(text);
	return ret;
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
