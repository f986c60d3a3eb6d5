/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the library shows; the same names stand in libpeermem.map.
 */
#ifndef PEERMEM_EXPORT_H
#define PEERMEM_EXPORT_H

#define PEERMEM_EXPORT __attribute__((visibility("default")))

#endif
