/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * How a memory region answers after its memory was taken away.
 */
#ifndef VT_REVOKED_H
#define VT_REVOKED_H

#include "buf.h"

/*
 * Does every kind of access to the buffer's region, remote and local, end in
 * the protection error that it should, soon? Says on stderr which does not.
 * Return: how many do not, or -errno.
 */
int vt_count_not_revoked(struct vt_dev *dev, struct vt_buf *dead);

/*
 * Registers and deregisters @rounds regions and looks whether one of them gets
 * a key of @mr. Return: 0, -EEXIST, or -errno.
 */
int vt_keys_stay_taken(struct vt_dev *dev, struct ibv_mr *mr, int rounds);

#endif
