/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The page size of this system, in bytes. */
#ifndef TESTS_PAGE_SIZE_H
#define TESTS_PAGE_SIZE_H

#include <stddef.h>
#include <unistd.h>

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

#endif
