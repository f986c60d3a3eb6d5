// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem: what goes on with peer memory, for people and for scripts.
 *
 * Exit status: 0; 1 it failed, and said why on stderr; 2 it was not understood.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const char usage_text[] =
	"usage: peermem status [--json]\n"
	"       peermem mrs [PID]\n"
	"       peermem query [--device NAME] [--read] PID ADDRESS LENGTH\n"
	"       peermem vram [--device NAME] list | move OBJECT vram|system |\n"
	"                    evict OBJECT | pressure SIZE [SECONDS]\n"
	"       peermem top [--interval SECONDS] [--count N]\n"
	"       peermem --help | --version\n"
	"\n"
	"status  the owners of peer memory: what is registered of them now, and\n"
	"        what happened since they were loaded\n"
	"mrs     the registrations of a process, or of all, and what became of them\n"
	"query   could that range of that process be registered, and if not, why?\n"
	"vram    the objects in video memory: where they are; moves them, puts them\n"
	"        out, or fills the memory up so that others are put out\n"
	"top     what happens each second\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
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
	return misunderstood("no command %s", argv[1]);
}

int main(int argc, char **argv)
{
	int ret = run(argc, argv);

	/* Whoever reads this should not take a part for the whole. */
	if (fflush(stdout) || ferror(stdout))
		return failed("cannot write: %s", strerror(errno));
	return ret;
}
