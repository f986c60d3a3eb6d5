/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The character device (peer_vram_file.c). */
#ifndef PEER_VRAM_FILE_H
#define PEER_VRAM_FILE_H

#include <linux/fs.h>

extern const struct file_operations peer_vram_fops;

#endif
