/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Checks of "peermem doctor". A check looks at one part of the system and reports what it
 * finds; what a user can do follows.
 */
#ifndef PEERMEM_DOCTOR_H
#define PEERMEM_DOCTOR_H

#include <stddef.h>

#include <infiniband/verbs.h>

/* Nodes of exporters whose memory a program can map, for glob() with GLOB_BRACE */
#define EXPORTER_NODES "/dev/peer_{vram,cmb}*"

/*
 * enum verdict - what a finding means for an application
 * @GOOD: works
 * @NOTE: something is missing that some applications use
 * @BAD:  does not work
 */
enum verdict {
	GOOD,
	NOTE,
	BAD,
};

/*
 * struct finding
 * @part:   what was looked at: a module, device or file
 * @text:   what is the case
 * @advice: what to do, mostly a command; empty: nothing
 */
struct finding {
	char part[32];
	enum verdict verdict;
	char text[256];
	char advice[256];
};

struct findings {
	struct finding *list;
	size_t count;
};

/* Reports a finding. */
__attribute__((format(printf, 4, 5)))
void found(struct findings *findings, const char *part, enum verdict verdict,
	   const char *format, ...);
/* Adds advice to the last finding. */
__attribute__((format(printf, 2, 3)))
void advise(struct findings *findings, const char *format, ...);

/* doctor_modules.c: the modules, their nodes, and what this user may do with them. */
void check_core(struct findings *findings);
void check_soft_roce(struct findings *findings);
void check_exporters(struct findings *findings);
void check_memlock(struct findings *findings);

/* doctor_devices.c: the RDMA devices, and MRs of device memory with each of them. */
void check_devices(struct findings *findings);

#endif
