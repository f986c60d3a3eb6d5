// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Samples of all counters, and rates. See top.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"
#include "top.h"

static int take_vram(struct vram_sample *sample, const char *name)
{
	struct peermem_vram *vram = peermem_open_vram(name, O_RDONLY);
	int error;

	if (!vram)
		return errno;
	snprintf(sample->name, sizeof(sample->name), "%s", name);
	error = peermem_query_vram(vram, &sample->info, sizeof(sample->info));
	peermem_close_vram(vram);
	return error;
}

static void take_vrams(struct sample *sample)
{
	size_t room = sizeof(sample->vrams) / sizeof(sample->vrams[0]), i;
	glob_t nodes;

	if (!glob("/dev/peer_vram*", 0, NULL, &nodes))
		for (i = 0; i < nodes.gl_pathc && sample->vram_count < room; i++)
			if (!take_vram(&sample->vrams[sample->vram_count],
				       strrchr(nodes.gl_pathv[i], '/') + 1))
				sample->vram_count++;
	globfree(&nodes);
}

int take_sample(struct sample *sample)
{
	int error;

	memset(sample, 0, sizeof(*sample));
	clock_gettime(CLOCK_MONOTONIC, &sample->when);
	error = read_exporters(&sample->exporters, &sample->exporter_count);
	if (error)
		return error;
	take_vrams(sample);
	error = read_rows(0, &sample->rows);
	/* Everybody can read the exporters, but the MRs only with the core's node. */
	return error == EACCES || error == ENOENT ? 0 : error;
}

void free_sample(struct sample *sample)
{
	free(sample->exporters);
	free(sample->rows.list);
}

static double rate(const struct sample *then, const struct sample *now,
		   uint64_t before, uint64_t after)
{
	double seconds = (now->when.tv_sec - then->when.tv_sec) +
			 (now->when.tv_nsec - then->when.tv_nsec) / 1e9;

	return seconds > 0 ? counter_diff(after, before) / seconds : 0;
}

#define RATE(field) rate(then, now, before->field, after->field)

struct exporter_rates exporter_rates(const struct sample *then,
				     const struct sample *now, size_t index)
{
	const struct peermem_exporter_stats *after = &now->exporters[index];
	const struct peermem_exporter_stats *before = after;
	size_t i;

	/* By name, because exporters register and unregister. */
	for (i = 0; i < then->exporter_count; i++)
		if (!strcmp(then->exporters[i].name, after->name))
			before = &then->exporters[i];
	return (struct exporter_rates){
		RATE(alloc_mrs), RATE(faults), RATE(invalidations),
		RATE(free_callbacks),
	};
}

struct vram_rates vram_rates(const struct sample *then, const struct sample *now,
			     size_t index)
{
	const struct vram_sample *after = &now->vrams[index], *before = after;
	size_t i;

	for (i = 0; i < then->vram_count; i++)
		if (!strcmp(then->vrams[i].name, after->name))
			before = &then->vrams[i];
	return (struct vram_rates){ RATE(info.moves), RATE(info.evictions) };
}

static int is_same_mr(const struct row *a, const struct row *b)
{
	return a->pid == b->pid && a->mr.number == b->mr.number &&
	       a->mr.addr == b->mr.addr && a->mr.length == b->mr.length;
}

struct mr_rates mr_rates(const struct sample *then, const struct sample *now,
			 size_t index)
{
	const struct row *after = &now->rows.list[index], *before = after;
	size_t i;

	for (i = 0; i < then->rows.count; i++)
		if (is_same_mr(&then->rows.list[i], after))
			before = &then->rows.list[i];
	return (struct mr_rates){ RATE(mr.faults), RATE(mr.invalidations) };
}
