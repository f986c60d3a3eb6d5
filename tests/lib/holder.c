// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A process to ask about: has an object of a MiB in video memory, registered as
 * asked (pinned, odp, or not at all), says where, and goes when its stdin ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem_vram.h>

#include "lib/verbs.h"

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "no";
	struct peermem_vram *vram = peermem_open_vram(NULL, O_RDWR);
	struct peermem_object *object;
	struct vt_dev dev;
	int access = IBV_ACCESS_LOCAL_WRITE;
	char byte;

	object = vram ? peermem_alloc_object(vram, 1 << 20, 0) : NULL;
	if (!object || vt_dev_open(&dev))
		return 1;
	if (!strcmp(how, "odp"))
		access |= IBV_ACCESS_ON_DEMAND;
	if (strcmp(how, "no") &&
	    !ibv_reg_mr(dev.pd, object->addr, object->length, access))
		return 1;
	printf("%p\n", object->addr);
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0;
}
