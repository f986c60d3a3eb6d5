# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A move copies the pages, and then invalidates them. It takes longer, so that an access
# falls in between.
#
# Test: move.on_demand.under_traffic

s/^\t\texample_invalidate(obj);//
s/^\t\tswap(fresh, obj->pages);/\t\tmsleep(20);\n\t\texample_invalidate(obj);\n&/
s/^#include <linux\/fs.h>/#include <linux\/delay.h>\n&/
