/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* See metrics.c. */
#ifndef PEERMEM_METRICS_H
#define PEERMEM_METRICS_H

#include <stddef.h>

struct peermem_exporter_stats;

void print_metrics(const struct peermem_exporter_stats *stats, size_t count);

#endif
