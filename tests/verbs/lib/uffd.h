/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * System memory whose pages are missing under a userfaultfd: an access waits until
 * the test supplies the page.
 */
#ifndef VT_UFFD_H
#define VT_UFFD_H

#include "buf.h"

struct vt_uffd {
	int fd;
	uint8_t *addr;
	size_t length;
};

/*
 * Discards the pages of [addr, addr + length), and registers the range with a
 * userfaultfd. Return: 0 or -errno.
 */
int vt_uffd_begin(struct vt_uffd *uffd, void *addr, size_t length);

/*
 * Waits for the next fault on a missing page. *@page: its address; @page may be NULL.
 * Return: 0, -ETIMEDOUT, or -errno.
 */
int vt_uffd_wait(struct vt_uffd *uffd, uint8_t **page);

/* Fills all pages with @bytes, which ends all waits. Return: 0 or -errno. */
int vt_uffd_fill(struct vt_uffd *uffd, const void *bytes);

/* Closes the userfaultfd. Accesses that wait continue with zero-filled pages. */
void vt_uffd_end(struct vt_uffd *uffd);

#endif
