/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page size of the system, for tests that map, protect, move or count pages.
 */
#ifndef VT_PAGE_H
#define VT_PAGE_H

#include <stddef.h>
#include <unistd.h>

/* Bounds of the page size, for the size of arrays. */
#define VT_MIN_PAGE 4096
#define VT_MAX_PAGE 65536

static inline size_t vt_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

#endif
