// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A process for queries. Allocates a BO of 1 MiB in VRAM, registers it as argument 1
 * says ("pinned", "odp", or "no": not at all), prints its address, and exits at the
 * end of its stdin.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem_vram.h>

#include "lib/verbs.h"

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "no";
	struct peermem_vram *vram = peermem_open_vram(NULL, O_RDWR);
	struct peermem_bo *bo;
	struct vt_dev dev;
	int access = IBV_ACCESS_LOCAL_WRITE;
	char byte;

	bo = vram ? peermem_alloc_bo(vram, 1 << 20, 0) : NULL;
	if (!bo || vt_dev_open(&dev))
		return 1;
	if (!strcmp(kind, "odp"))
		access |= IBV_ACCESS_ON_DEMAND;
	if (strcmp(kind, "no") &&
	    !ibv_reg_mr(dev.pd, bo->addr, bo->length, access))
		return 1;
	printf("%p\n", bo->addr);
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0;
}
