// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem status: the exporters as a table or as JSON. The table shows what is
 * registered now; JSON shows the counters as they are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		       counter_diff(stats[i].alloc_mrs, stats[i].dealloc_mrs),
		       format_size(counter_diff(stats[i].reg_bytes,
						stats[i].dereg_bytes)).text,
		       stats[i].faults, stats[i].invalidations,
		       stats[i].free_callbacks);
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_json_exporter(const struct peermem_exporter_stats *stats)
{
	printf("\n    {\n      \"name\": ");
	print_string(stats->name);
	printf(",\n      \"version\": ");
	print_string(stats->version);
#define PRINT(field)							\
	printf(",\n      \"" #field "\": %" PRIu64, stats->field)
	PRINT(alloc_mrs);
	PRINT(dealloc_mrs);
	PRINT(reg_pages);
	PRINT(dereg_pages);
	PRINT(reg_bytes);
	PRINT(dereg_bytes);
	PRINT(free_callbacks);
	PRINT(faults);
	PRINT(invalidations);
#undef PRINT
	printf("\n    }");
}

static void print_json(const struct peermem_exporter_stats *stats, size_t count)
{
	size_t i;

	printf("{\n  \"exporters\": [");
	for (i = 0; i < count; i++) {
		if (i)
			putchar(',');
		print_json_exporter(&stats[i]);
	}
	printf("%s]\n}\n", count ? "\n  " : "");
}

int status_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct peermem_exporter_stats *stats;
	int option, error, json = 0;
	size_t count;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		json = 1;
	}
	if (optind != argc)
		return usage_error("status: unexpected argument '%s'",
				   argv[optind]);
	error = read_exporters(&stats, &count);
	if (error)
		error = core_failure(error, "cannot read counters");
	else if (json)
		print_json(stats, count);
	else
		print_table(stats, count);
	free(stats);
	return error;
}
