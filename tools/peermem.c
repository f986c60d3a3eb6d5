// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem: what goes on with peer memory, for people and for scripts.
 *
 * Exit status: 0; 1 it failed, and said why on stderr; 2 it was not understood.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "status.h"

static const char usage_text[] =
	"usage: peermem status [--json]\n"
	"       peermem --help | --version\n"
	"\n"
	"status  the owners of peer memory: what is registered of them now, and\n"
	"        what happened since they were loaded\n";

static int misunderstood(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("peermem: ", stderr);
	vfprintf(stderr, format, args);
	fputs("; see peermem --help\n", stderr);
	va_end(args);
	return 2;
}

static int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int json = 0;
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return misunderstood("status does not know %s",
					     argv[optind - 1]);
		json = 1;
	}
	if (optind != argc)
		return misunderstood("status takes no argument %s",
				     argv[optind]);
	return status_show(json);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (!strcmp(argv[1], "status"))
		return cmd_status(argc - 1, argv + 1);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("peermem " PEERMEM_VERSION);
		return 0;
	}
	return misunderstood("no command %s", argv[1]);
}

int main(int argc, char **argv)
{
	int ret = run(argc, argv);

	/* Whoever reads this should not take a part for the whole. */
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "peermem: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return ret;
}
