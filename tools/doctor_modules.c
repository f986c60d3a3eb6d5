// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The modules, their nodes, and what this user may do with them. See doctor.h. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

#define MODULES "/sys/module"

static int is_loaded(const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), MODULES "/%s", module);
	return !access(path, F_OK);
}

/* Can modprobe find a module for the running kernel? */
static int is_installed(const char *module, const char *release)
{
	char path[256], line[512], wanted[64];
	int is_there = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	snprintf(wanted, sizeof(wanted), "/%s.ko", module);
	file = fopen(path, "re");
	while (file && !is_there && fgets(line, sizeof(line), file)) {
		line[strcspn(line, ":")] = 0;
		is_there = !!strstr(line, wanted);
	}
	if (file)
		fclose(file);
	return is_there;
}

static void advise_to_load(struct findings *findings, const char *module)
{
	struct utsname kernel;

	uname(&kernel);
	if (is_installed(module, kernel.release))
		advise(findings, "modprobe %s", module);
	else
		advise(findings, "it is not installed for Linux %s; "
		       "install peermem-dkms, or run 'cmake --install build'",
		       kernel.release);
}

static void check_node(struct findings *findings, const char *path,
		       const char *advice)
{
	int error = access(path, R_OK | W_OK) ? errno : 0;

	if (!error) {
		found(findings, path, GOOD, "can be opened");
		return;
	}
	found(findings, path, BAD, "%s", strerror(error));
	if (error == EACCES)
		advise(findings, "%s", advice);
}

void check_core(struct findings *findings)
{
	char version[32] = "";

	if (!is_loaded("ib_peer_mem")) {
		found(findings, "ib_peer_mem", BAD, "not loaded");
		advise_to_load(findings, "ib_peer_mem");
		return;
	}
	read_line(MODULES "/ib_peer_mem/version", version, sizeof(version));
	if (!strcmp(version, PEERMEM_VERSION)) {
		found(findings, "ib_peer_mem", GOOD, "%s is loaded", version);
	} else {
		found(findings, "ib_peer_mem", NOTE,
		      "%s is loaded; this command is %s", version, PEERMEM_VERSION);
		advise(findings, "load the module of the same version, or reboot");
	}
	check_node(findings, "/dev/peer_mem",
		   "install the udev rule 70-peermem.rules, or chmod 666 /dev/peer_mem");
}

/* The extended rdma_rxe uses the core. The distribution's does not. */
void check_soft_roce(struct findings *findings)
{
	if (!is_loaded("rdma_rxe")) {
		found(findings, "rdma_rxe", NOTE, "not loaded: no Soft-RoCE");
		advise_to_load(findings, "rdma_rxe");
	} else if (is_loaded("ib_peer_mem/holders/rdma_rxe")) {
		found(findings, "rdma_rxe", GOOD,
		      "extended: registers device memory");
	} else {
		found(findings, "rdma_rxe", BAD,
		      "the distribution's is loaded: it cannot register device memory");
		advise(findings, "delete its devices ('rdma link'), 'modprobe -r rdma_rxe', "
		       "then load the extended module");
	}
}

static void check_exporter_nodes(struct findings *findings)
{
	glob_t nodes;
	size_t i;

	if (!glob(EXPORTER_NODES, GLOB_BRACE, NULL, &nodes))
		for (i = 0; i < nodes.gl_pathc; i++)
			check_node(findings, nodes.gl_pathv[i],
				   "add this user to the group 'render'");
	globfree(&nodes);
}

static void check_vram_devices(struct findings *findings)
{
	glob_t nodes;

	if (!is_loaded("peer_vram"))
		return;
	if (glob("/dev/peer_vram*", 0, NULL, &nodes) == GLOB_NOMATCH) {
		found(findings, "peer_vram", NOTE, "loaded, but has no device");
		advise(findings, "modprobe -r peer_vram; modprobe peer_vram ram_mb=256");
	}
	globfree(&nodes);
}

/* The core itself is the exporter of dma-bufs. */
static int is_driver(const struct peermem_exporter_stats *exporter)
{
	return strcmp(exporter->name, "dma_buf");
}

void check_exporters(struct findings *findings)
{
	struct peermem_exporter_stats *stats;
	size_t count = 0, drivers = 0, i;
	/* Without the core there is nothing to read. */
	int error = read_exporters(&stats, &count);

	for (i = 0; !error && i < count; i++) {
		found(findings, stats[i].name, GOOD, "exporter%s%s",
		      *stats[i].version ? ", version " : "", stats[i].version);
		drivers += is_driver(&stats[i]);
	}
	if (!error && !drivers) {
		found(findings, "exporters", BAD, "no driver offers its memory");
		advise(findings, "modprobe peer_vram ram_mb=256");
	}
	free(stats);
	check_vram_devices(findings);
	check_exporter_nodes(findings);
}

/* Pinned MRs count. On-demand MRs do not. */
void check_memlock(struct findings *findings)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY || !geteuid()) {
		found(findings, "memlock", GOOD, "no limit for pinned MRs");
		return;
	}
	found(findings, "memlock", NOTE, "pinned MRs: at most %s",
	      format_size(limit.rlim_cur).text);
	advise(findings, "ulimit -l unlimited, or a file in /etc/security/limits.d; "
	       "on-demand MRs need none");
}
