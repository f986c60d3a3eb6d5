// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem top: what happens, in each interval, by second. On a terminal each
 * table takes the place of the one before; else lines go on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* All counters at one time. */
struct sample {
	struct timespec when;
	struct peermem_client_stats *clients;
	size_t count;
};

static int take(struct sample *sample)
{
	clock_gettime(CLOCK_MONOTONIC, &sample->when);
	return read_clients(&sample->clients, &sample->count);
}

/* By name: clients come and go. One that came is compared with itself. */
static const struct peermem_client_stats *
find(const struct sample *sample, const struct peermem_client_stats *client)
{
	size_t i;

	for (i = 0; i < sample->count; i++)
		if (!strcmp(sample->clients[i].name, client->name))
			return &sample->clients[i];
	return client;
}

static double seconds_between(const struct sample *from,
			      const struct sample *to)
{
	return (to->when.tv_sec - from->when.tv_sec) +
	       (to->when.tv_nsec - from->when.tv_nsec) / 1e9;
}

static void print_head(void)
{
	/* Home, and what is below goes. */
	if (is_for_people())
		fputs("\033[H\033[J", stdout);
	printf("%s%-16s %8s %12s %12s %12s %15s %10s%s\n", head_begins(),
	       "CLIENT", "REGIONS", "REGISTERED", "CLAIMS/s", "FAULTS/s",
	       "INVALIDATIONS/s", "REVOKED/s", head_ends());
}

static void print_client(const struct peermem_client_stats *then,
			 const struct peermem_client_stats *now, double seconds)
{
#define RATE(field) (difference(now->field, then->field) / seconds)
	printf("%-16s %8" PRIu64 " %12s %12.1f %12.1f %15.1f %10.1f\n",
	       now->name, difference(now->alloc_mrs, now->dealloc_mrs),
	       bytes_of(difference(now->reg_bytes, now->dereg_bytes)).text,
	       RATE(alloc_mrs), RATE(faults), RATE(invalidations),
	       RATE(free_callbacks));
#undef RATE
}

static void print_sample(const struct sample *then, const struct sample *now)
{
	double seconds = seconds_between(then, now);
	size_t i;

	if (is_for_people())
		print_head();
	for (i = 0; i < now->count; i++)
		print_client(find(then, &now->clients[i]), &now->clients[i],
			     seconds);
	fflush(stdout);
}

/* @count: 0: without end. Return: 0 or errno. */
static int watch(uint64_t interval, uint64_t count)
{
	struct sample then, now;
	uint64_t i;
	int error = take(&then);

	if (!error && !is_for_people())
		print_head();
	fflush(stdout);
	for (i = 0; !error && (!count || i < count) && !ferror(stdout); i++) {
		sleep(interval);
		error = take(&now);
		if (!error)
			print_sample(&then, &now);
		free(then.clients);
		then = now;
	}
	free(then.clients);
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
			return misunderstood("%s is no count", optarg);
		if (option == 'i' && (parse_number(optarg, &interval) ||
				      !interval || interval > 86400))
			return misunderstood("%s is no interval", optarg);
	}
	if (optind != argc)
		return misunderstood("top takes no argument %s", argv[optind]);
	error = watch(interval, count);
	return error ? failed_core(error, "cannot read the counters") : 0;
}
