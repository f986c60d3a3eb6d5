// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The overlay's two hooks into librxe: where librxe registers itself as a driver,
 * and where it hands its table of operations over. derive.py made its object
 * call these instead of libibverbs.
 *
 * The tables are libibverbs' private business, and their layout was found out
 * when the overlay was built. So it serves that release of libibverbs only.
 * With any other it steps aside for the distribution's own librxe.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "overlay.h"

/* The distribution's librxe, next to us, if we are in its place. */
#define DIVERTED ".distrib"

/* The file that an address of this process was loaded from; NULL: unknown. */
static const char *file_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) ? info.dli_fname : NULL;
}

/* libibverbs.so.1 is a link to a name with the release. */
static bool made_for(const char *library)
{
	char path[PATH_MAX];
	const char *name;

	if (!library || !realpath(library, path))
		return false;
	name = strrchr(path, '/');
	return name && !strcmp(name + 1, OVERLAY_LIBIBVERBS);
}

/* Has the distribution's librxe register itself, if it is not where it was. */
static void load_stock(void)
{
	const char *ours = file_of(overlay_register_driver);
	char path[PATH_MAX];

	if (!ours || snprintf(path, sizeof(path), "%s" DIVERTED, ours) >=
		     (int)sizeof(path))
		return;
	/* It is never closed, as no driver is. */
	dlopen(path, RTLD_NOW);
}

void overlay_register_driver(const void *driver)
{
	const char *library = file_of(verbs_set_ops);

	if (made_for(library)) {
		OVERLAY_REGISTER(driver);
		return;
	}
	fprintf(stderr,
		"librxe: peermem's provider is made for %s, not for %s: rxe goes without dma-buf, prefetch and rereg. Build peermem's provider anew\n",
		OVERLAY_LIBIBVERBS, library ? library : "libibverbs.so.1");
	load_stock();
}

/* What the second table leaves empty stays as the first has set it. */
void overlay_set_ops(struct verbs_context *context, const overlay_op *stock)
{
	overlay_op ops[OVERLAY_OPS] = { 0 };

	verbs_set_ops(context, stock);
	overlay_add_mr_ops(stock, ops);
	overlay_add_cq_ops(stock, ops);
	overlay_add_qp_ops(stock, ops);
	verbs_set_ops(context, ops);
}
