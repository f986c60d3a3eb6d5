// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem query: what a registration of that range of that process would come
 * to, in words.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

/*
 * struct question - what is asked
 * @device: NULL: the first there is
 */
struct question {
	const char *device;
	int access;
	uint64_t pid;
	uint64_t addr;
	uint64_t length;
};

/* The device, opened, or NULL if there is none such. */
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

static void print_kinds(uint32_t kinds)
{
	static const char *const words[] = {
		"system memory", "a device's memory", "holes",
	};
	const char *between = "";
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(kinds & 1U << i))
			continue;
		printf("%s%s", between, words[i]);
		between = ", ";
	}
	putchar('\n');
}

static void print_pinned(const struct peermem_verdict *pinned)
{
	if (pinned->error)
		printf("no: %s (%s)\n", peermem_reason_str(pinned->reason),
		       strerrorname_np(pinned->error));
	else
		puts("yes");
}

/* It can always be registered; what matters is what an access finds. */
static void print_on_demand(const struct question *question,
			    const struct peermem_answer *answer)
{
	const struct peermem_verdict *verdict = &answer->on_demand;

	if (verdict->error)
		printf("no: %s (%s)\n", peermem_reason_str(verdict->reason),
		       strerrorname_np(verdict->error));
	else if (verdict->reason != PEER_MEM_OK)
		printf("from %#" PRIx64 " on accesses fail: %s\n",
		       question->addr + answer->checked,
		       peermem_reason_str(verdict->reason));
	else if (answer->checked < question->length)
		printf("yes, as far as %#" PRIx64 "; ask for the rest\n",
		       question->addr + answer->checked);
	else
		puts("yes");
}

static void print_answer(const struct question *question,
			 const struct peermem_answer *answer)
{
	printf("memory     ");
	print_kinds(answer->kinds);
	printf("owner      %s\n", *answer->client ? answer->client : "-");
	printf("page size  %s\n", bytes_of(answer->page_size).text);
	printf("pinned     ");
	print_pinned(&answer->pinned);
	printf("on demand  ");
	print_on_demand(question, answer);
}

static int ask(const struct question *question)
{
	struct ibv_context *context = open_device(question->device);
	struct peermem_answer answer;
	int error;

	if (!context && question->device)
		return failed("cannot open the RDMA device %s; see rdma link",
			      question->device);
	if (!context)
		return failed("cannot open an RDMA device; see rdma link");
	error = peermem_query_process(context, question->pid,
				      (const void *)(uintptr_t)question->addr,
				      question->length, question->access,
				      &answer);
	ibv_close_device(context);
	if (error == EINVAL)
		return failed("%#" PRIx64 " bytes at %#" PRIx64 " are no range",
			      question->length, question->addr);
	if (error)
		return failed_core(error, "cannot ask");
	print_answer(question, &answer);
	return 0;
}

static int parse_range(struct question *question, char **argv)
{
	if (parse_number(argv[0], &question->pid) || !question->pid ||
	    question->pid > INT_MAX)
		return misunderstood("%s is no process", argv[0]);
	if (parse_number(argv[1], &question->addr))
		return misunderstood("%s is no address", argv[1]);
	if (parse_number(argv[2], &question->length))
		return misunderstood("%s is no length", argv[2]);
	return 0;
}

int query_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "read", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct question question = {
		.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			  IBV_ACCESS_REMOTE_READ,
	};
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		if (option == 'd')
			question.device = optarg;
		else
			question.access = IBV_ACCESS_REMOTE_READ;
	}
	if (argc - optind != 3)
		return misunderstood("query takes a process, an address and a length");
	if (parse_range(&question, argv + optind))
		return 2;
	return ask(&question);
}
