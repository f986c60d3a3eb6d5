/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory of the exporter of docs/exporter-guide.md (examples/exporter), whose module is
 * named by PEERMEM_EXAMPLE in the environment.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "lib/mem.h"

extern const struct vt_mem_kind vt_mem_example;

#endif
