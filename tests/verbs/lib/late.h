/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * System memory whose pages do not come until somebody brings them: they are missing
 * under a userfaultfd, and whoever needs one waits.
 */
#ifndef VT_LATE_H
#define VT_LATE_H

#include "buf.h"

struct vt_late {
	int fd;
	uint8_t *addr;
	size_t length;
};

/*
 * All pages of [addr, addr + length) leave, whatever was in them, and are missing from
 * now on. Return: 0 or -errno.
 */
int vt_late_begin(struct vt_late *late, void *addr, size_t length);

/*
 * Waits until somebody waits for a page that nobody waited for before. *@page: which;
 * may be NULL. Return: 0, -ETIMEDOUT, or -errno.
 */
int vt_late_wait(struct vt_late *late, uint8_t **page);

/* All pages come, with these bytes. Return: 0 or -errno. */
int vt_late_bring(struct vt_late *late, const void *bytes);

/* Who waits goes on with what is there then: zeros. */
void vt_late_end(struct vt_late *late);

#endif
