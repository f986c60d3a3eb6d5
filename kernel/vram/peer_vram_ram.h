/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* See peer_vram_ram.c. */
#ifndef PEER_VRAM_RAM_H
#define PEER_VRAM_RAM_H

int peer_vram_ram_init(void);
void peer_vram_ram_exit(void);

#endif
