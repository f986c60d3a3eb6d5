// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem vram: the objects in a device's video memory, by the numbers that
 * /proc/<pid>/maps has as their offsets.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem_vram.h>

#include "tool.h"

/* An object is not larger than that, so that others can be put out for it. */
#define PIECE (1UL << 20)

static int failed_vram(const char *what)
{
	switch (errno) {
	case EPERM:
		return failed("%s: it takes CAP_SYS_ADMIN; try it as root",
			      what);
	case EBUSY:
		return failed("%s: it is pinned by a memory region", what);
	default:
		return failed("%s: %s", what, strerror(errno));
	}
}

/* The next object there is. NULL and ENOENT at the end. */
static struct peermem_object *next_object(struct peermem_vram *vram,
					  uint64_t *number)
{
	struct peermem_object *object;

	do {
		object = peermem_next_object(vram, number);
	} while (!object && errno == ENODEV);
	return object;
}

static int print_device(struct peermem_vram *vram)
{
	struct peermem_vram_info info;

	if (peermem_query_vram(vram, &info, sizeof(info)))
		return failed_vram("cannot ask the device");
	printf("video memory %s: %s in use, %s pinned; %s in system memory\n",
	       bytes_of(info.size).text, bytes_of(info.used).text,
	       bytes_of(info.pinned).text, bytes_of(info.system_used).text);
	printf("%" PRIu64 " objects, %" PRIu64 " moves, %" PRIu64
	       " evictions, %" PRIu64 " swapped out\n", info.objects,
	       info.moves, info.evictions, info.swapouts);
	return 0;
}

static void print_object(struct peermem_object *object, uint64_t number)
{
	struct peermem_object_info info;

	if (peermem_query_object(object, &info, sizeof(info)))
		return;
	printf("%#12" PRIx64 " %10s  %-6s %8u %6u  %s%s\n", number,
	       bytes_of(info.length).text,
	       info.domain == PEER_VRAM_DOMAIN_VRAM ? "vram" : "system",
	       info.regions, info.pins,
	       info.flags & PEER_VRAM_QUERY_EXPORTABLE ? "" : "not-exportable ",
	       info.flags & PEER_VRAM_QUERY_IN_PLACE ? "in-place" : "");
}

static int vram_list(struct peermem_vram *vram, char **argv)
{
	struct peermem_object *object;
	uint64_t number = 0;

	(void)argv;
	if (print_device(vram))
		return 1;
	printf("%s%12s %10s  %-6s %8s %6s  %s%s\n", head_begins(), "OBJECT",
	       "LENGTH", "IN", "REGIONS", "PINS", "FLAGS", head_ends());
	while ((object = next_object(vram, &number))) {
		print_object(object, number);
		peermem_free_object(object);
	}
	return errno == ENOENT ? 0 : failed_vram("cannot list the objects");
}

/* The object of a number. NULL: there is none such, or errno tells. */
static struct peermem_object *find_object(struct peermem_vram *vram,
					  uint64_t number)
{
	uint64_t found = number - 1;
	struct peermem_object *object = next_object(vram, &found);

	if (!object || found == number)
		return object;
	peermem_free_object(object);
	errno = ENOENT;
	return NULL;
}

static int move_to(struct peermem_vram *vram, const char *name,
		   enum peer_vram_domain domain)
{
	struct peermem_object *object;
	uint64_t number;
	int ret = 0;

	if (parse_number(name, &number) || !number)
		return misunderstood("%s is no object", name);
	object = find_object(vram, number);
	if (!object && errno == ENOENT)
		return failed("there is no object %s; see peermem vram list",
			      name);
	if (!object)
		return failed_vram("cannot find it");
	if (peermem_move_object(object, domain))
		ret = failed_vram("cannot move it");
	peermem_free_object(object);
	return ret;
}

static int vram_move(struct peermem_vram *vram, char **argv)
{
	if (!strcmp(argv[1], "vram"))
		return move_to(vram, argv[0], PEER_VRAM_DOMAIN_VRAM);
	if (!strcmp(argv[1], "system"))
		return move_to(vram, argv[0], PEER_VRAM_DOMAIN_SYSTEM);
	return misunderstood("an object is moved to vram or system, not to %s",
			     argv[1]);
}

static int vram_evict(struct peermem_vram *vram, char **argv)
{
	return move_to(vram, argv[0], PEER_VRAM_DOMAIN_SYSTEM);
}

/*
 * Objects of @size bytes together, each in video memory. They go with the
 * process. Return: 0 or errno.
 */
static int fill(struct peermem_vram *vram, uint64_t size)
{
	uint64_t left = size;
	size_t piece;

	for (; left; left -= piece) {
		piece = left < PIECE ? left : PIECE;
		if (!peermem_alloc_object(vram, piece, 0))
			return errno;
	}
	return 0;
}

static int vram_pressure(struct peermem_vram *vram, char **argv)
{
	struct peermem_vram_info before, after;
	uint64_t size, seconds = 0;

	if (parse_number(argv[0], &size) || !size)
		return misunderstood("%s is no size", argv[0]);
	if (argv[1] && (parse_number(argv[1], &seconds) || seconds > 86400))
		return misunderstood("%s is no time in seconds", argv[1]);
	if (peermem_query_vram(vram, &before, sizeof(before)))
		return failed_vram("cannot ask the device");
	if (fill(vram, size))
		return failed_vram("cannot take so much video memory");
	if (peermem_query_vram(vram, &after, sizeof(after)))
		return failed_vram("cannot ask the device");
	printf("%s taken, %" PRIu64 " objects evicted\n", bytes_of(size).text,
	       after.evictions - before.evictions);
	fflush(stdout);
	sleep(seconds);
	return 0;
}

/* @least, @most: arguments */
static const struct {
	const char *name;
	int least, most;
	int (*run)(struct peermem_vram *vram, char **argv);
} actions[] = {
	{ "list", 0, 0, vram_list },
	{ "move", 2, 2, vram_move },
	{ "evict", 1, 1, vram_evict },
	{ "pressure", 1, 2, vram_pressure },
};

static int run_action(const char *device, int argc, char **argv)
{
	struct peermem_vram *vram;
	size_t i = 0;
	int ret;

	while (i < sizeof(actions) / sizeof(actions[0]) &&
	       strcmp(argv[0], actions[i].name))
		i++;
	if (i == sizeof(actions) / sizeof(actions[0]))
		return misunderstood("vram does not know %s", argv[0]);
	if (argc - 1 < actions[i].least || argc - 1 > actions[i].most)
		return misunderstood("vram %s takes other arguments", argv[0]);
	vram = peermem_open_vram(device, O_RDWR);
	if (!vram && errno == ENOENT)
		return failed("there is no device %s; is peer_vram loaded?",
			      device);
	if (!vram)
		return failed("cannot open %s: %s", device, strerror(errno));
	ret = actions[i].run(vram, argv + 1);
	peermem_close_vram(vram);
	return ret;
}

int vram_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *device = "peer_vram0";
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		device = optarg;
	}
	if (optind == argc)
		return misunderstood("vram what?");
	return run_action(device, argc - optind, argv + optind);
}
