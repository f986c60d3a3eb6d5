/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Checks of an MR whose memory was revoked.
 */
#ifndef VT_REVOKED_H
#define VT_REVOKED_H

#include "buf.h"

/*
 * Tries every kind of access to the buffer's MR, remote and local. Each must end in
 * bounded time with the expected protection error; others are printed to stderr.
 * Return: the number of others, or -errno.
 */
int vt_count_not_revoked(struct vt_dev *dev, struct vt_buf *dead);

/*
 * Registers and deregisters @rounds MRs. Return: 0, -EEXIST if one of them got a key
 * of @mr, or -errno.
 */
int vt_keys_not_reused(struct vt_dev *dev, struct ibv_mr *mr, int rounds);

#endif
