// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The two hooks of the overlay in librxe: the registration as a driver, and the
 * registration of the table of operations. probe_abi.py changes the object file of
 * librxe so that it calls these functions instead of libibverbs.
 *
 * The layout of the table is private to libibverbs, and probe_abi.py determines it at
 * build time. The overlay therefore supports that release of libibverbs only. With any
 * other release it loads the distribution's librxe instead.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "overlay.h"

/* Suffix of the distribution's librxe if dpkg-divert has moved it. */
#define DIVERTED_SUFFIX ".distrib"

/* Return: the file that contains an address of this process; NULL: unknown. */
static const char *file_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) ? info.dli_fname : NULL;
}

/* Is this the libibverbs of the build? libibverbs.so.1 links to a name with the release. */
static bool built_for(const char *library)
{
	char path[PATH_MAX];
	const char *name;

	if (!library || !realpath(library, path))
		return false;
	name = strrchr(path, '/');
	return name && !strcmp(name + 1, OVERLAY_LIBIBVERBS);
}

/* Loads the distribution's librxe, which registers itself, if it is diverted. */
static void load_stock(void)
{
	const char *ours = file_of(overlay_register_driver);
	char path[PATH_MAX];

	if (!ours || snprintf(path, sizeof(path), "%s" DIVERTED_SUFFIX, ours) >=
		     (int)sizeof(path))
		return;
	/* libibverbs never closes drivers either. */
	dlopen(path, RTLD_NOW);
}

void overlay_register_driver(const void *driver)
{
	const char *library = file_of(verbs_set_ops);

	if (built_for(library)) {
		OVERLAY_REGISTER(driver);
		return;
	}
	fprintf(stderr,
		"librxe: the peermem provider was built for %s, not for %s: no dma-buf, prefetch and rereg support for rxe. Rebuild the peermem provider\n",
		OVERLAY_LIBIBVERBS, library ? library : "libibverbs.so.1");
	load_stock();
}

/* Empty slots of the second table keep the operations of the first one. */
void overlay_set_ops(struct verbs_context *context, const overlay_op *stock)
{
	overlay_op ops[OVERLAY_OPS] = { 0 };

	verbs_set_ops(context, stock);
	overlay_add_mr_ops(stock, ops);
	overlay_add_cq_ops(stock, ops);
	overlay_add_qp_ops(stock, ops);
	verbs_set_ops(context, ops);
}
