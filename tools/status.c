// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem status: the exporters as a table, as JSON or as OpenMetrics. The table shows what
 * is registered now; the others show the counters as they are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "metrics.h"
#include "tool.h"

static void print_table(const struct peermem_exporter_stats *stats, size_t count)
{
	int width = strlen("EXPORTER");
	size_t i;

	for (i = 0; i < count; i++)
		if ((int)strlen(stats[i].name) > width)
			width = strlen(stats[i].name);
	printf("%s%-*s  %-10s %8s %12s %10s %13s %8s%s\n",
	       header_start(), width, "EXPORTER", "VERSION", "REGIONS",
	       "REGISTERED", "FAULTS", "INVALIDATIONS", "REVOKED",
	       header_end());
	for (i = 0; i < count; i++)
		printf("%-*s  %-10s %8" PRIu64 " %12s %10" PRIu64 " %13" PRIu64
		       " %8" PRIu64 "\n", width, stats[i].name,
		       *stats[i].version ? stats[i].version : "-",
		       regions_now(&stats[i]), format_size(bytes_now(&stats[i])).text,
		       stats[i].faults, stats[i].invalidations,
		       stats[i].free_callbacks);
}

static void add_exporter(struct json_object *exporters,
			 const struct peermem_exporter_stats *stats)
{
	struct json_object *exporter = json_append_object(exporters);

	json_add_string(exporter, "name", stats->name);
	json_add_string(exporter, "version", stats->version);
#define ADD(field) json_add_number(exporter, #field, stats->field)
	ADD(alloc_mrs);
	ADD(dealloc_mrs);
	ADD(reg_pages);
	ADD(dereg_pages);
	ADD(reg_bytes);
	ADD(dereg_bytes);
	ADD(free_callbacks);
	ADD(faults);
	ADD(invalidations);
#undef ADD
}

static struct json_object *to_json(const struct peermem_exporter_stats *stats,
				   size_t count)
{
	struct json_object *document = json_document("status");
	struct json_object *exporters = json_add_array(document, "exporters");
	size_t i;

	for (i = 0; i < count; i++)
		add_exporter(exporters, &stats[i]);
	return document;
}

int status_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "openmetrics", no_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	struct peermem_exporter_stats *stats;
	int option, error, format = 0;
	size_t count;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		format = option;
	}
	if (optind != argc)
		return usage_error("status: unexpected argument '%s'",
				   argv[optind]);
	error = read_exporters(&stats, &count);
	if (error)
		error = core_failure(error, "cannot read counters");
	else if (format == 'j')
		print_json(to_json(stats, count));
	else if (format == 'o')
		print_metrics(stats, count);
	else
		print_table(stats, count);
	free(stats);
	return error;
}
