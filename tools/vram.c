// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem vram: the buffer objects (BOs) of a device of peer_vram. The number of a BO
 * is the offset that /proc/<pid>/maps shows for its mappings.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem_vram.h>

#include "json.h"
#include "tool.h"

/*
 * Size of the BOs that create pressure, in bytes. Small BOs fit where others were
 * evicted.
 */
#define PRESSURE_BO (1UL << 20)

/* Option --json */
static int use_json;

static int vram_failure(const char *what)
{
	switch (errno) {
	case EPERM:
		return failure("%s: requires CAP_SYS_ADMIN", what);
	case EBUSY:
		return failure("%s: pinned by a memory region", what);
	default:
		return failure("%s: %s", what, strerror(errno));
	}
}

/* The next BO that is not destroyed. Return: NULL and ENOENT at the end. */
static struct peermem_bo *next_bo(struct peermem_vram *vram, uint64_t *number)
{
	struct peermem_bo *bo;

	do {
		bo = peermem_next_bo(vram, number);
	} while (!bo && errno == ENODEV);
	return bo;
}

static int print_device(struct peermem_vram *vram)
{
	struct peermem_vram_info info;

	if (peermem_query_vram(vram, &info, sizeof(info)))
		return vram_failure("cannot query device");
	printf("VRAM: %s total, %s used, %s pinned; system memory: %s used\n",
	       format_size(info.size).text, format_size(info.used).text,
	       format_size(info.pinned).text, format_size(info.system_used).text);
	printf("%" PRIu64 " BOs; %" PRIu64 " moves, %" PRIu64
	       " evictions, %" PRIu64 " swap-outs\n", info.objects,
	       info.moves, info.evictions, info.swapouts);
	return 0;
}

static const char *domain_name(const struct peermem_bo_info *info)
{
	return info->domain == PEER_VRAM_DOMAIN_VRAM ? "vram" : "system";
}

static void print_bo(struct peermem_bo *bo, uint64_t number)
{
	struct peermem_bo_info info;

	if (peermem_query_bo(bo, &info, sizeof(info)))
		return;
	printf("%#12" PRIx64 " %10s  %-6s %8u %6u  %s%s\n", number,
	       format_size(info.length).text,
	       domain_name(&info), info.regions, info.pins,
	       info.flags & PEER_VRAM_QUERY_EXPORTABLE ? "" : "not-exportable ",
	       info.flags & PEER_VRAM_QUERY_IN_PLACE ? "in-place" : "");
}

static void add_bo(struct json_object *array, struct peermem_bo *bo, uint64_t number)
{
	struct json_object *object;
	struct peermem_bo_info info;

	if (peermem_query_bo(bo, &info, sizeof(info)))
		return;
	object = json_append_object(array);
	json_add_address(object, "bo", number);
	json_add_number(object, "length", info.length);
	json_add_string(object, "domain", domain_name(&info));
	json_add_number(object, "regions", info.regions);
	json_add_number(object, "pins", info.pins);
	json_add_bool(object, "exportable", info.flags & PEER_VRAM_QUERY_EXPORTABLE);
	json_add_bool(object, "in_place", info.flags & PEER_VRAM_QUERY_IN_PLACE);
}

static int add_device(struct json_object *document, struct peermem_vram *vram)
{
	struct peermem_vram_info info;

	if (peermem_query_vram(vram, &info, sizeof(info)))
		return vram_failure("cannot query device");
	json_add_number(document, "vram_size", info.size);
	json_add_number(document, "vram_used", info.used);
	json_add_number(document, "vram_pinned", info.pinned);
	json_add_number(document, "system_used", info.system_used);
	json_add_number(document, "objects", info.objects);
	json_add_number(document, "moves", info.moves);
	json_add_number(document, "evictions", info.evictions);
	json_add_number(document, "swapouts", info.swapouts);
	return 0;
}

static int list_json(struct peermem_vram *vram)
{
	struct json_object *document = json_document("vram"), *bos;
	struct peermem_bo *bo;
	uint64_t number = 0;

	if (add_device(document, vram))
		return 1;
	bos = json_add_array(document, "bos");
	while ((bo = next_bo(vram, &number))) {
		add_bo(bos, bo, number);
		peermem_free_bo(bo);
	}
	if (errno != ENOENT)
		return vram_failure("cannot list BOs");
	print_json(document);
	return 0;
}

static int vram_list(struct peermem_vram *vram, char **argv)
{
	struct peermem_bo *bo;
	uint64_t number = 0;

	(void)argv;
	if (use_json)
		return list_json(vram);
	if (print_device(vram))
		return 1;
	printf("%s%12s %10s  %-6s %8s %6s  %s%s\n", header_start(), "BO",
	       "LENGTH", "DOMAIN", "REGIONS", "PINS", "FLAGS", header_end());
	while ((bo = next_bo(vram, &number))) {
		print_bo(bo, number);
		peermem_free_bo(bo);
	}
	return errno == ENOENT ? 0 : vram_failure("cannot list BOs");
}

/* Finds a BO by its number. Return: NULL and errno, ENOENT if there is none. */
static struct peermem_bo *find_bo(struct peermem_vram *vram, uint64_t number)
{
	uint64_t found = number - 1;
	struct peermem_bo *bo = next_bo(vram, &found);

	if (!bo || found == number)
		return bo;
	peermem_free_bo(bo);
	errno = ENOENT;
	return NULL;
}

static int move_to(struct peermem_vram *vram, const char *name,
		   enum peer_vram_domain domain)
{
	struct peermem_bo *bo;
	uint64_t number;
	int ret = 0;

	if (parse_number(name, &number) || !number)
		return usage_error("invalid BO number '%s'", name);
	bo = find_bo(vram, number);
	if (!bo && errno == ENOENT)
		return failure("no BO %s (see 'peermem vram list')", name);
	if (!bo)
		return vram_failure("cannot find BO");
	if (peermem_move_bo(bo, domain))
		ret = vram_failure("cannot move BO");
	peermem_free_bo(bo);
	return ret;
}

static int vram_move(struct peermem_vram *vram, char **argv)
{
	if (!strcmp(argv[1], "vram"))
		return move_to(vram, argv[0], PEER_VRAM_DOMAIN_VRAM);
	if (!strcmp(argv[1], "system"))
		return move_to(vram, argv[0], PEER_VRAM_DOMAIN_SYSTEM);
	return usage_error("invalid domain '%s' (vram or system)", argv[1]);
}

static int vram_evict(struct peermem_vram *vram, char **argv)
{
	return move_to(vram, argv[0], PEER_VRAM_DOMAIN_SYSTEM);
}

/*
 * Allocates BOs of @size bytes in total in VRAM. They are freed when the process
 * exits. Return: 0 or errno.
 */
static int fill_vram(struct peermem_vram *vram, uint64_t size)
{
	uint64_t left = size;
	size_t piece;

	for (; left; left -= piece) {
		piece = left < PRESSURE_BO ? left : PRESSURE_BO;
		if (!peermem_alloc_bo(vram, piece, 0))
			return errno;
	}
	return 0;
}

static int vram_pressure(struct peermem_vram *vram, char **argv)
{
	struct peermem_vram_info before, after;
	uint64_t size, seconds = 0;

	if (parse_number(argv[0], &size) || !size)
		return usage_error("invalid size '%s' (suffixes: K, M, G, T)",
				   argv[0]);
	if (argv[1] && (parse_number(argv[1], &seconds) || seconds > 86400))
		return usage_error("invalid duration '%s' (0 to 86400 seconds)",
				   argv[1]);
	if (peermem_query_vram(vram, &before, sizeof(before)))
		return vram_failure("cannot query device");
	if (fill_vram(vram, size))
		return vram_failure("cannot allocate VRAM");
	if (peermem_query_vram(vram, &after, sizeof(after)))
		return vram_failure("cannot query device");
	printf("%s allocated, %" PRIu64 " evictions\n", format_size(size).text,
	       after.evictions - before.evictions);
	fflush(stdout);
	sleep(seconds);
	return 0;
}

/* @min_args, @max_args: number of arguments; @usage: their names */
static const struct {
	const char *name, *usage;
	int min_args, max_args;
	int (*run)(struct peermem_vram *vram, char **argv);
} subcommands[] = {
	{ "list", "none", 0, 0, vram_list },
	{ "move", "BO vram|system", 2, 2, vram_move },
	{ "evict", "BO", 1, 1, vram_evict },
	{ "pressure", "SIZE [SECONDS]", 1, 2, vram_pressure },
};

static int run_subcommand(const char *device, int argc, char **argv)
{
	struct peermem_vram *vram;
	size_t i = 0;
	int ret;

	while (i < sizeof(subcommands) / sizeof(subcommands[0]) &&
	       strcmp(argv[0], subcommands[i].name))
		i++;
	if (i == sizeof(subcommands) / sizeof(subcommands[0]))
		return usage_error("unknown vram subcommand '%s' (list, move, evict or pressure)",
				   argv[0]);
	if (argc - 1 < subcommands[i].min_args ||
	    argc - 1 > subcommands[i].max_args)
		return usage_error("vram %s: wrong number of arguments (expected: %s)",
				   argv[0], subcommands[i].usage);
	if (use_json && subcommands[i].run != vram_list)
		return usage_error("vram %s: --json is for 'list'", argv[0]);
	vram = peermem_open_vram(device, O_RDWR);
	if (!vram && errno == ENOENT)
		return failure("no device /dev/%s (is peer_vram loaded?)",
			       device);
	if (!vram)
		return failure("cannot open /dev/%s: %s", device,
			       strerror(errno));
	ret = subcommands[i].run(vram, argv + 1);
	peermem_close_vram(vram);
	return ret;
}

int vram_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *device = "peer_vram0";
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		if (option == 'd')
			device = optarg;
		else
			use_json = 1;
	}
	if (optind == argc)
		return usage_error("missing subcommand: list, move, evict or pressure");
	return run_subcommand(device, argc - optind, argv + optind);
}
