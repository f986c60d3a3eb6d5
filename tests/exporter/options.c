// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See options.h. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../page_size.h"
#include "options.h"

/* The tests need this many pages. */
#define MIN_PAGES 16

struct et_options et_options = { .size = 1 << 20 };

static const char usage[] =
"Usage: peermem-exporter-test [OPTION...] NODE [TEST-OPTION...]\n"
"\n"
"Tests an exporter of peer memory: maps its device node NODE, registers the\n"
"memory with the RDMA device rxe0 (or $PEERMEM_RDMA_DEVICE), and compares\n"
"every byte. Prints TAP. No other program may use the exporter meanwhile.\n"
"\n"
"  --exporter NAME   the exporter that must claim the memory, as in\n"
"                    /sys/kernel/mm/memory_peers (default: any)\n"
"  --size BYTES      size of a mapping, with suffix K, M or G (default 1M)\n"
"  --offset BYTES    offset of the mapping in NODE (default 0)\n"
"  --move CMD        moves the memory, or evicts it\n"
"  --revoke CMD      ends all access to the memory of NODE\n"
"  --unload CMD      unloads the exporter; it may fail while it is in use\n"
"  --load CMD        loads the exporter again\n"
"  -h, --help        print this text\n"
"\n"
"Each CMD is run by sh. File descriptor 3 of --move and --revoke is the open\n"
"NODE. Tests that need a command that is missing are skipped.\n"
"\n"
"TEST-OPTIONs select tests: -l lists them, -t NAME, -f FIXTURE, -v VARIANT and\n"
"-r FIXTURE.VARIANT.NAME run some, -T, -F and -V all others.\n"
"\n"
"Exit status: 0 no test failed, 1 a test failed, 2 usage.\n";

static void __attribute__((noreturn, format(printf, 1, 2)))
usage_error(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "peermem-exporter-test: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see --help\n");
	exit(2);
}

static unsigned long long parse_bytes(const char *option, const char *text)
{
	static const char suffixes[] = "KMG";
	unsigned long long value;
	char *end;
	int i;

	errno = 0;
	value = strtoull(text, &end, 0);
	for (i = 0; suffixes[i] && end != text; i++) {
		if (toupper((unsigned char)*end) == suffixes[i]) {
			value <<= 10 * (i + 1);
			end++;
			break;
		}
	}
	if (errno || end == text || *end || value % page_size())
		usage_error("invalid --%s '%s': give a multiple of the page size (suffixes: K, M, G)",
			    option, text);
	return value;
}

static void check_options(void)
{
	if (!et_options.node)
		usage_error("the device node is missing");
	if (et_options.size < MIN_PAGES * page_size())
		usage_error("--size is too small: the tests need %zu bytes",
			    MIN_PAGES * page_size());
	if (!et_options.unload != !et_options.load)
		usage_error("--unload and --load need each other");
}

/* The values of the options that getopt_long() returns. */
enum option_value { EXPORTER = 256, SIZE, OFFSET, MOVE, REVOKE, UNLOAD, LOAD };

static const struct option long_options[] = {
	{ "exporter", required_argument, NULL, EXPORTER },
	{ "size", required_argument, NULL, SIZE },
	{ "offset", required_argument, NULL, OFFSET },
	{ "move", required_argument, NULL, MOVE },
	{ "revoke", required_argument, NULL, REVOKE },
	{ "unload", required_argument, NULL, UNLOAD },
	{ "load", required_argument, NULL, LOAD },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

/* Return: false if the option is one of the harness. */
static bool take_option(int option, const char *value)
{
	switch (option) {
	case EXPORTER: et_options.exporter = value; break;
	case SIZE: et_options.size = parse_bytes("size", value); break;
	case OFFSET: et_options.offset = parse_bytes("offset", value); break;
	case MOVE: et_options.move = value; break;
	case REVOKE: et_options.revoke = value; break;
	case UNLOAD: et_options.unload = value; break;
	case LOAD: et_options.load = value; break;
	case 'h': fputs(usage, stdout); exit(0);
	case '?': usage_error("bad option");
	default: return false;
	}
	return true;
}

void et_options_parse(int *argc, char **argv)
{
	char **kept = calloc(*argc, sizeof(*kept));
	int option, n = 1, i;

	if (!kept)
		usage_error("out of memory");
	while ((option = getopt_long(*argc, argv, "hlF:f:V:v:t:T:r:",
				     long_options, NULL)) != -1) {
		if (take_option(option, optarg) || n == *argc)
			continue;
		/* One word, where there may have been two. */
		if (asprintf(&kept[n++], "-%c%s", option, optarg ?: "") < 0)
			usage_error("out of memory");
	}
	if (optind < *argc)
		et_options.node = argv[optind++];
	if (optind < *argc)
		usage_error("unknown argument '%s'", argv[optind]);
	for (i = 1; i < n; i++)
		argv[i] = kept[i];
	argv[n] = NULL;
	*argc = n;
	free(kept);
	check_options();
	/* getopt() of the harness starts again. */
	optind = 0;
}
