# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fault() leaves out the last page of what it is asked for.
#
# Test: data.on_demand.whole

s/^\tu64 end = offset + length;/\tu64 end = offset + length - PAGE_SIZE;/
