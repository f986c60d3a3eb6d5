// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* mm_get_unmapped_area() searches in current->mm. Before: in its first argument. */
#include <linux/sched/mm.h>

static unsigned long (*probe)(struct file *filp, unsigned long addr, unsigned long len,
			      unsigned long pgoff,
			      unsigned long flags) __used = mm_get_unmapped_area;
