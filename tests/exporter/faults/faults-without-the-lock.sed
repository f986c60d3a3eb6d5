# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Faults of MRs and of the CPU do not wait for a move in progress, and find the old pages.
# (Were it only those of MRs: the core lets the CPU fault first, which waits.) The move takes
# longer, so that an access falls into it. The old pages are not freed.
#
# Test: move.on_demand.under_traffic

/^static int example_fault(/,/^}/s/^\tmutex_\(un\)\?lock(.*//
/^static vm_fault_t example_vm_fault(/,/^}/s/^\tmutex_\(un\)\?lock(.*//
s/^\t\tswap(fresh, obj->pages);/\t\tmsleep(20);\n&/
s/^#include <linux\/fs.h>/#include <linux\/delay.h>\n&/
/^static int example_move(/,/^}/s/^\texample_free_pages(fresh, obj->count);//
