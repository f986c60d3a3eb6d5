// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem: monitors and queries peer memory, for users and scripts.
 *
 * Exit status: 0 success, or the answer is yes; 1 failure; 2 error in the command line; 3 the
 * answer is no. A message on stderr gives the reason of 1 and 2.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const char usage_text[] =
	"usage: peermem doctor [--json]\n"
	"       peermem status [--json | --openmetrics]\n"
	"       peermem mrs [--json] [PID]\n"
	"       peermem query [--device NAME] [--read] [--pinned | --on-demand] [--json]\n"
	"                     PID ADDRESS LENGTH\n"
	"       peermem vram [--device NAME] [--json] list | move BO vram|system |\n"
	"                    evict BO | pressure SIZE [SECONDS]\n"
	"       peermem top [--interval SECONDS] [--count N] [--json]\n"
	"       peermem --help | --version\n"
	"\n"
	"doctor  report what an application would find here, and what to do about it\n"
	"status  show the exporters: registered memory and counters since loading\n"
	"mrs     list the memory regions of a process, or of all processes\n"
	"query   report whether a range of a process can be registered, and if not, why\n"
	"vram    list the buffer objects (BOs) in VRAM, move or evict one, or allocate\n"
	"        VRAM so that others are evicted\n"
	"top     show event rates: VRAM, exporters, memory regions\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "doctor", doctor_command },
	{ "status", status_command },
	{ "mrs", mrs_command },
	{ "query", query_command },
	{ "vram", vram_command },
	{ "top", top_command },
};

static int run(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fputs(usage_text, stderr);
		return 2;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("peermem " PEERMEM_VERSION);
		return 0;
	}
	return usage_error("unknown command '%s'", argv[1]);
}

int main(int argc, char **argv)
{
	int ret = run(argc, argv);

	/* A reader of stdout must not take truncated output for complete output. */
	if (fflush(stdout) || ferror(stdout))
		return failure("write error: %s", strerror(errno));
	return ret;
}
