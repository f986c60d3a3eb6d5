/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The exporter (peer_vram_export.c). */
#ifndef PEER_VRAM_EXPORT_H
#define PEER_VRAM_EXPORT_H

int peer_vram_export_init(void);
void peer_vram_export_exit(void);

#endif
