// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem query: whether a range of a process can be registered, and if not, why. Exit
 * status 3 if it cannot.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "tool.h"

/*
 * struct query_args - arguments of a query
 * @device: name of the RDMA device; NULL: the first one
 * @access: enum ibv_access_flags
 * @addr:   an address in the process @pid
 * @kind:   the kind of registration that the exit status is about
 */
struct query_args {
	const char *device;
	int access;
	uint64_t pid;
	uint64_t addr;
	uint64_t length;
	enum { ANY, PINNED, ON_DEMAND } kind;
	int json;
};

/* Return: the opened device, or NULL if there is none or it cannot be opened. */
static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	size_t i;

	for (i = 0; list && list[i]; i++) {
		if (name && strcmp(name, ibv_get_device_name(list[i])))
			continue;
		context = ibv_open_device(list[i]);
		break;
	}
	if (list)
		ibv_free_device_list(list);
	return context;
}

/* The kinds of memory, by bit. */
static const char *const kind_names[] = {
	"system memory", "device memory", "holes",
};

#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

static void print_kinds(uint32_t kinds)
{
	const char *separator = "";
	size_t i;

	for (i = 0; i < KINDS; i++) {
		if (!(kinds & 1U << i))
			continue;
		printf("%s%s", separator, kind_names[i]);
		separator = ", ";
	}
	putchar('\n');
}

static void print_pinned(const struct peermem_result *pinned)
{
	if (pinned->error)
		printf("no: %s (%s)\n", peermem_status_str(pinned->status),
		       strerrorname_np(pinned->error));
	else
		puts("yes");
}

/* An on-demand registration succeeds, so the status of the first access matters. */
static void print_on_demand(const struct query_args *args,
			    const struct peermem_query_result *result)
{
	const struct peermem_result *on_demand = &result->on_demand;

	if (on_demand->error)
		printf("no: %s (%s)\n", peermem_status_str(on_demand->status),
		       strerrorname_np(on_demand->error));
	else if (on_demand->status != PEER_MEM_OK)
		printf("accesses fail from %#" PRIx64 ": %s\n",
		       args->addr + result->covered,
		       peermem_status_str(on_demand->status));
	else if (result->covered < args->length)
		printf("yes, up to %#" PRIx64 " (query the rest separately)\n",
		       args->addr + result->covered);
	else
		puts("yes");
}

static void print_result(const struct query_args *args,
			 const struct peermem_query_result *result)
{
	printf("memory     ");
	print_kinds(result->kinds);
	printf("exporter   %s\n", *result->exporter ? result->exporter : "-");
	printf("page size  %s\n", format_size(result->page_size).text);
	printf("pinned     ");
	print_pinned(&result->pinned);
	printf("on demand  ");
	print_on_demand(args, result);
}

static void add_answer(struct json_object *document, const char *name,
		       const struct peermem_result *result, int possible)
{
	struct json_object *answer = json_add_object(document, name);

	json_add_bool(answer, "possible", possible);
	json_add_string(answer, "status", peermem_status_str(result->status));
	json_add_string(answer, "errno", result->error ?
			strerrorname_np(result->error) : "");
}

static int can_pin(const struct peermem_query_result *result)
{
	return !result->pinned.error;
}

/* All of the range: accesses to what is not covered may fail. */
static int can_fault(const struct query_args *args,
		     const struct peermem_query_result *result)
{
	return !result->on_demand.error &&
	       result->on_demand.status == PEER_MEM_OK &&
	       result->covered >= args->length;
}

static struct json_object *to_json(const struct query_args *args,
				   const struct peermem_query_result *result)
{
	struct json_object *document = json_document("query");
	struct json_object *memory = json_add_array(document, "memory");
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (result->kinds & 1U << i)
			json_append_string(memory, kind_names[i]);
	json_add_string(document, "exporter", result->exporter);
	json_add_number(document, "page_size", result->page_size);
	json_add_number(document, "covered", result->covered);
	add_answer(document, "pinned", &result->pinned, can_pin(result));
	add_answer(document, "on_demand", &result->on_demand,
		   can_fault(args, result));
	return document;
}

static int exit_status(const struct query_args *args,
		       const struct peermem_query_result *result)
{
	int pinned = args->kind != ON_DEMAND && can_pin(result);
	int on_demand = args->kind != PINNED && can_fault(args, result);

	return pinned || on_demand ? 0 : EXIT_NO;
}

static int run_query(const struct query_args *args)
{
	struct ibv_context *context = open_device(args->device);
	struct peermem_query_result result;
	int error;

	if (!context && args->device)
		return failure("cannot open RDMA device '%s' (see 'rdma link')",
			       args->device);
	if (!context)
		return failure("cannot open an RDMA device (see 'rdma link')");
	error = peermem_query_process(context, args->pid,
				      (const void *)(uintptr_t)args->addr,
				      args->length, args->access, &result);
	ibv_close_device(context);
	if (error == EINVAL)
		return failure("invalid range: %#" PRIx64 " bytes at %#" PRIx64
			       " (empty or wraps around)", args->length,
			       args->addr);
	if (error)
		return core_failure(error, "cannot query memory");
	if (args->json)
		print_json(to_json(args, &result));
	else
		print_result(args, &result);
	return exit_status(args, &result);
}

static int parse_range(struct query_args *args, char **argv)
{
	if (parse_number(argv[0], &args->pid) || !args->pid ||
	    args->pid > INT_MAX)
		return usage_error("invalid process ID '%s'", argv[0]);
	if (parse_number(argv[1], &args->addr))
		return usage_error("invalid address '%s' (decimal or 0x...)",
				   argv[1]);
	if (parse_number(argv[2], &args->length))
		return usage_error("invalid length '%s' (suffixes: K, M, G, T)",
				   argv[2]);
	return 0;
}

static void take_option(struct query_args *args, int option)
{
	switch (option) {
	case 'd': args->device = optarg; break;
	case 'j': args->json = 1; break;
	case 'o': args->kind = ON_DEMAND; break;
	case 'p': args->kind = PINNED; break;
	case 'r': args->access = IBV_ACCESS_REMOTE_READ; break;
	}
}

int query_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "on-demand", no_argument, NULL, 'o' },
		{ "pinned", no_argument, NULL, 'p' },
		{ "read", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct query_args args = {
		.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			  IBV_ACCESS_REMOTE_READ,
	};
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		take_option(&args, option);
	}
	if (argc - optind != 3)
		return usage_error("query requires PID, ADDRESS and LENGTH");
	if (parse_range(&args, argv + optind))
		return 2;
	return run_query(&args);
}
