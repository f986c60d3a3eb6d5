/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the parts of "peermem top" share: samples, what is shown of two samples, and how.
 * A rate is a number of events per second.
 */
#ifndef PEERMEM_TOP_H
#define PEERMEM_TOP_H

#include <time.h>

#include <infiniband/peermem_vram.h>

#include "rows.h"

/* A VRAM device: its name, such as "peer_vram0". */
struct vram_sample {
	char name[32];
	struct peermem_vram_info info;
};

/* All counters at one time. VRAM devices that the caller may not open are left out. */
struct sample {
	struct timespec when;
	struct peermem_exporter_stats *exporters;
	size_t exporter_count;
	struct vram_sample vrams[8];
	size_t vram_count;
	struct rows rows;
};

/* Return: 0 or errno. The caller calls free_sample(), also after an error. */
int take_sample(struct sample *sample);
void free_sample(struct sample *sample);

struct exporter_rates {
	double claims, faults, invalidations, revoked;
};

struct vram_rates {
	double moves, evictions;
};

struct mr_rates {
	double faults, invalidations;
};

/* The rates of one element of @now. What was not in @then has no rates yet. */
struct exporter_rates exporter_rates(const struct sample *then,
				     const struct sample *now, size_t index);
struct vram_rates vram_rates(const struct sample *then, const struct sample *now,
			     size_t index);
struct mr_rates mr_rates(const struct sample *then, const struct sample *now,
			 size_t index);

/* The full screen. Return: 0 or errno. */
int watch_on_screen(unsigned int interval, unsigned long count);

#endif
