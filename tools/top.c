// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem top: event rates per exporter, averaged over each interval. On a terminal
 * each table replaces the one before; else the lines follow each other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* The counters of all exporters at one time. */
struct sample {
	struct timespec when;
	struct peermem_exporter_stats *exporters;
	size_t count;
};

static int take_sample(struct sample *sample)
{
	clock_gettime(CLOCK_MONOTONIC, &sample->when);
	return read_exporters(&sample->exporters, &sample->count);
}

/*
 * Finds the exporter by name, because exporters register and unregister. Return:
 * @exporter itself if it is new, so that its rates are 0.
 */
static const struct peermem_exporter_stats *
find_exporter(const struct sample *sample,
	      const struct peermem_exporter_stats *exporter)
{
	size_t i;

	for (i = 0; i < sample->count; i++)
		if (!strcmp(sample->exporters[i].name, exporter->name))
			return &sample->exporters[i];
	return exporter;
}

static double seconds_between(const struct sample *from,
			      const struct sample *to)
{
	return (to->when.tv_sec - from->when.tv_sec) +
	       (to->when.tv_nsec - from->when.tv_nsec) / 1e9;
}

static void print_header(void)
{
	/* Cursor to the top left, clear the screen below. */
	if (use_escapes())
		fputs("\033[H\033[J", stdout);
	printf("%s%-16s %8s %12s %12s %12s %15s %10s%s\n", header_start(),
	       "EXPORTER", "REGIONS", "REGISTERED", "CLAIMS/s", "FAULTS/s",
	       "INVALIDATIONS/s", "REVOKED/s", header_end());
}

static void print_exporter(const struct peermem_exporter_stats *then,
			   const struct peermem_exporter_stats *now,
			   double seconds)
{
#define RATE(field) (counter_diff(now->field, then->field) / seconds)
	printf("%-16s %8" PRIu64 " %12s %12.1f %12.1f %15.1f %10.1f\n",
	       now->name, counter_diff(now->alloc_mrs, now->dealloc_mrs),
	       format_size(counter_diff(now->reg_bytes, now->dereg_bytes)).text,
	       RATE(alloc_mrs), RATE(faults), RATE(invalidations),
	       RATE(free_callbacks));
#undef RATE
}

static void print_sample(const struct sample *then, const struct sample *now)
{
	double seconds = seconds_between(then, now);
	size_t i;

	if (use_escapes())
		print_header();
	for (i = 0; i < now->count; i++)
		print_exporter(find_exporter(then, &now->exporters[i]),
			       &now->exporters[i], seconds);
	fflush(stdout);
}

/* @count: number of samples, 0: no limit. Return: 0 or errno. */
static int watch(uint64_t interval, uint64_t count)
{
	struct sample then, now;
	uint64_t i;
	int error = take_sample(&then);

	if (!error && !use_escapes())
		print_header();
	fflush(stdout);
	for (i = 0; !error && (!count || i < count) && !ferror(stdout); i++) {
		sleep(interval);
		error = take_sample(&now);
		if (!error)
			print_sample(&then, &now);
		free(then.exporters);
		then = now;
	}
	free(then.exporters);
	return error;
}

int top_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "interval", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t interval = 1, count = 0;
	int option, error;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		if (option == 'c' && (parse_number(optarg, &count) || !count))
			return usage_error("invalid count '%s' (minimum: 1)", optarg);
		if (option == 'i' && (parse_number(optarg, &interval) ||
				      !interval || interval > 86400))
			return usage_error("invalid interval '%s' (1 to 86400 seconds)",
					   optarg);
	}
	if (optind != argc)
		return usage_error("top: unexpected argument '%s'", argv[optind]);
	error = watch(interval, count);
	return error ? core_failure(error, "cannot read counters") : 0;
}
