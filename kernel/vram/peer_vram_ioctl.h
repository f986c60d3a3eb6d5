/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The ioctls (peer_vram_ioctl.c). */
#ifndef PEER_VRAM_IOCTL_H
#define PEER_VRAM_IOCTL_H

struct file;

long peer_vram_ioctl(struct file *filp, unsigned int nr, unsigned long arg);

#endif
