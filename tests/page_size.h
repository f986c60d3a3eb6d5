/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page size of the system, for tests that map, protect, move or count pages.
 */
#ifndef TESTS_PAGE_SIZE_H
#define TESTS_PAGE_SIZE_H

#include <stddef.h>
#include <unistd.h>

/* Bounds of the page size, for the size of arrays. In bytes. */
#define MIN_PAGE_SIZE 4096
#define MAX_PAGE_SIZE 65536

/* Return: the page size in bytes. */
static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Return: what the largest page table entry of the core covers, in bytes. */
static inline size_t large_entry_size(void)
{
	return 512 * page_size();
}

#endif
