/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef BAR_IOCTL_H
#define BAR_IOCTL_H

struct file;

long bar_ioctl(struct file *filp, unsigned int nr, unsigned long arg);

#endif
