// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem top: event rates, averaged over each interval. On a terminal: a full screen
 * (top_screen.c). Else the lines of the exporters follow each other, or with --json a
 * document for each interval, on one line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "json.h"
#include "tool.h"
#include "top.h"

static void print_header(void)
{
	printf("%-16s %8s %12s %12s %12s %15s %10s\n", "EXPORTER", "REGIONS",
	       "REGISTERED", "CLAIMS/s", "FAULTS/s", "INVALIDATIONS/s", "REVOKED/s");
	fflush(stdout);
}

static void print_lines(const struct sample *then, const struct sample *now)
{
	const struct peermem_exporter_stats *exporter;
	struct exporter_rates rates;
	size_t i;

	for (i = 0; i < now->exporter_count; i++) {
		exporter = &now->exporters[i];
		rates = exporter_rates(then, now, i);
		printf("%-16s %8" PRIu64 " %12s %12.1f %12.1f %15.1f %10.1f\n",
		       exporter->name,
		       regions_now(exporter), format_size(bytes_now(exporter)).text,
		       rates.claims, rates.faults, rates.invalidations,
		       rates.revoked);
	}
}

static void add_exporters(struct json_object *document, const struct sample *then,
			  const struct sample *now)
{
	struct json_object *array = json_add_array(document, "exporters"), *object;
	struct exporter_rates rates;
	size_t i;

	for (i = 0; i < now->exporter_count; i++) {
		rates = exporter_rates(then, now, i);
		object = json_append_object(array);
		json_add_string(object, "name", now->exporters[i].name);
		json_add_real(object, "claims_per_second", rates.claims);
		json_add_real(object, "faults_per_second", rates.faults);
		json_add_real(object, "invalidations_per_second", rates.invalidations);
		json_add_real(object, "revoked_per_second", rates.revoked);
	}
}

static void add_vrams(struct json_object *document, const struct sample *then,
		      const struct sample *now)
{
	struct json_object *array = json_add_array(document, "vram"), *object;
	struct vram_rates rates;
	size_t i;

	for (i = 0; i < now->vram_count; i++) {
		rates = vram_rates(then, now, i);
		object = json_append_object(array);
		json_add_string(object, "name", now->vrams[i].name);
		json_add_number(object, "size", now->vrams[i].info.size);
		json_add_number(object, "used", now->vrams[i].info.used);
		json_add_number(object, "pinned", now->vrams[i].info.pinned);
		json_add_real(object, "moves_per_second", rates.moves);
		json_add_real(object, "evictions_per_second", rates.evictions);
	}
}

static void add_mrs(struct json_object *document, const struct sample *then,
		    const struct sample *now)
{
	struct json_object *array = json_add_array(document, "mrs"), *object;
	struct mr_rates rates;
	size_t i;

	for (i = 0; i < now->rows.count; i++) {
		rates = mr_rates(then, now, i);
		object = json_append_object(array);
		json_add_number(object, "pid", now->rows.list[i].pid);
		json_add_string(object, "command", now->rows.list[i].command);
		json_add_address(object, "address", now->rows.list[i].mr.addr);
		json_add_real(object, "faults_per_second", rates.faults);
		json_add_real(object, "invalidations_per_second", rates.invalidations);
	}
}

static void print_document(const struct sample *then, const struct sample *now)
{
	struct json_object *document = json_document("top");

	add_exporters(document, then, now);
	add_vrams(document, then, now);
	add_mrs(document, then, now);
	print_json_line(document);
}

/* @count: number of samples, 0: no limit. Return: 0 or errno. */
static int watch(uint64_t interval, uint64_t count,
		 void (*print)(const struct sample *then, const struct sample *now))
{
	struct sample then, now;
	uint64_t i;
	int error = take_sample(&then);

	if (!error && print == print_lines)
		print_header();
	for (i = 0; !error && (!count || i < count) && !ferror(stdout); i++) {
		sleep(interval);
		error = take_sample(&now);
		if (!error)
			print(&then, &now);
		fflush(stdout);
		free_sample(&then);
		then = now;
	}
	free_sample(&then);
	return error;
}

int top_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "interval", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t interval = 1, count = 0;
	int option, error, json = 0;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		if (option == 'c' && (parse_number(optarg, &count) || !count))
			return usage_error("invalid count '%s' (minimum: 1)", optarg);
		if (option == 'i' && (parse_number(optarg, &interval) ||
				      !interval || interval > 86400))
			return usage_error("invalid interval '%s' (1 to 86400 seconds)",
					   optarg);
		if (option == 'j')
			json = 1;
	}
	if (optind != argc)
		return usage_error("top: unexpected argument '%s'", argv[optind]);
	if (json)
		error = watch(interval, count, print_document);
	else if (use_escapes())
		error = watch_on_screen(interval, count);
	else
		error = watch(interval, count, print_lines);
	return error ? core_failure(error, "cannot read counters") : 0;
}
