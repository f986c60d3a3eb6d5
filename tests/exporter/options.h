/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The command line of peermem-exporter-test.
 */
#ifndef EXPORTER_OPTIONS_H
#define EXPORTER_OPTIONS_H

#include <stddef.h>
#include <sys/types.h>

/**
 * struct et_options - what to test, and how
 * @node:     device node of the exporter
 * @exporter: name in /sys/kernel/mm/memory_peers that must claim the memory; NULL: any
 * @size:     bytes of a mapping
 * @offset:   of mmap(), in bytes
 * @move:     command that moves the memory; NULL: such tests are skipped
 * @revoke:   command that ends all access to the memory; likewise
 * @unload:   command that unloads the exporter; likewise
 * @load:     command that loads it again; likewise
 */
struct et_options {
	const char *node;
	const char *exporter;
	size_t size;
	off_t offset;
	const char *move;
	const char *revoke;
	const char *unload;
	const char *load;
};

extern struct et_options et_options;

/*
 * Parses the command line. Leaves the program's name and the options of
 * kselftest_harness.h in @argv, which ends with NULL, and their number in @argc. Ends
 * the program after --help (status 0) and after errors (status 2).
 */
void et_options_parse(int *argc, char **argv);

#endif
