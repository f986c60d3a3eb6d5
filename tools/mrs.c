// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem mrs: the memory regions of one process, or of all processes that the caller may
 * query, as a table or as JSON.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "rows.h"
#include "tool.h"

static void print_header(void)
{
	printf("%s%7s %-8s %18s %10s %-9s %-6s %10s %10s %13s  %s%s\n",
	       header_start(), "PID", "DEVICE", "ADDRESS", "LENGTH", "KIND",
	       "ACCESS", "RESIDENT", "FAULTS", "INVALIDATIONS", "EXPORTER",
	       header_end());
}

static void print_row(const struct row *row)
{
	const struct peermem_mr_stats *mr = &row->mr;

	printf("%7d %-8s %#18" PRIx64 " %10s %-9s %-6s %10s %10" PRIu64
	       " %13" PRIu64 "  %s\n", row->pid, mr->device, mr->addr,
	       format_size(mr->length).text, kind_of(mr),
	       mr->flags & PEER_MEM_MR_WRITABLE ? "write" : "read",
	       format_size(mr->resident).text, mr->faults, mr->invalidations,
	       *mr->exporter ? mr->exporter : "-");
}

static void print_table(const struct rows *rows)
{
	size_t i;

	print_header();
	for (i = 0; i < rows->count; i++)
		print_row(&rows->list[i]);
}

static void add_mr(struct json_object *array, const struct row *row)
{
	struct json_object *object = json_append_object(array);
	const struct peermem_mr_stats *mr = &row->mr;

	json_add_number(object, "pid", row->pid);
	json_add_string(object, "command", row->command);
	json_add_string(object, "device", mr->device);
	json_add_address(object, "address", mr->addr);
	json_add_number(object, "length", mr->length);
	json_add_string(object, "kind", kind_of(mr));
	json_add_bool(object, "writable", mr->flags & PEER_MEM_MR_WRITABLE);
	json_add_number(object, "resident", mr->resident);
	json_add_number(object, "faults", mr->faults);
	json_add_number(object, "invalidations", mr->invalidations);
	json_add_string(object, "exporter", mr->exporter);
}

static struct json_object *to_json(const struct rows *rows)
{
	struct json_object *document = json_document("mrs");
	struct json_object *array = json_add_array(document, "mrs");
	size_t i;

	for (i = 0; i < rows->count; i++)
		add_mr(array, &rows->list[i]);
	return document;
}

static int show(pid_t pid, int json)
{
	struct rows rows;
	int error = read_rows(pid, &rows);

	if (error)
		error = core_failure(error, "cannot list memory regions");
	else if (json)
		print_json(to_json(&rows));
	else
		print_table(&rows);
	free(rows.list);
	return error;
}

int mrs_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int option, json = 0;
	uint64_t pid = 0;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		json = 1;
	}
	if (argc - optind > 1)
		return usage_error("mrs: unexpected argument '%s'",
				   argv[optind + 1]);
	if (optind < argc && (parse_number(argv[optind], &pid) || !pid ||
			      pid > INT_MAX))
		return usage_error("invalid process ID '%s'", argv[optind]);
	return show(pid, json);
}
