// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The counters of the exporters as OpenMetrics text, for Prometheus: "peermem status
 * --openmetrics" writes a file for the textfile collector of its node exporter.
 */
#include <inttypes.h>
#include <stdio.h>

#include <infiniband/peermem.h>

#include "metrics.h"

/* @unit: of the values; empty: they are numbers of events */
static const struct {
	const char *name, *unit, *help;
	size_t offset;
} metrics[] = {
#define METRIC(name, unit, field, help)					\
	{ name, unit, help, offsetof(struct peermem_exporter_stats, field) }
	METRIC("claims", "", alloc_mrs, "Regions that were claimed"),
	METRIC("releases", "", dealloc_mrs, "Regions that were released"),
	METRIC("claimed_bytes", "bytes", reg_bytes, "Bytes of the regions that were claimed"),
	METRIC("released_bytes", "bytes", dereg_bytes, "Bytes of the regions that were released"),
	METRIC("faults", "", faults, "How often the exporter reported where pages are"),
	METRIC("invalidations", "", invalidations,
	       "How often the exporter invalidated pages of a region"),
	METRIC("revoked", "", free_callbacks, "Regions that the exporter revoked"),
#undef METRIC
};

/* A value of a label: backslash, quote and line feed are escaped. */
static void print_label(const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", stdout);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else
			putchar(*text);
}

static void print_metric(size_t metric, const struct peermem_exporter_stats *stats,
			 size_t count)
{
	const char *name = metrics[metric].name;
	size_t i;

	printf("# TYPE peermem_%s counter\n", name);
	if (*metrics[metric].unit)
		printf("# UNIT peermem_%s %s\n", name, metrics[metric].unit);
	printf("# HELP peermem_%s %s.\n", name, metrics[metric].help);
	for (i = 0; i < count; i++) {
		printf("peermem_%s_total{exporter=\"", name);
		print_label(stats[i].name);
		printf("\"} %" PRIu64 "\n", *(const uint64_t *)
		       ((const char *)&stats[i] + metrics[metric].offset));
	}
}

void print_metrics(const struct peermem_exporter_stats *stats, size_t count)
{
	size_t i;

	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		print_metric(i, stats, count);
	puts("# EOF");
}
