# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fault() reports two pages as one block, although the second is somewhere else. It is
# looked up in the page before, so that only memory of the object is accessed.
#
# Test: data.pinned.write_to

s/(offset >> PAGE_SHIFT)\];/((offset >> PAGE_SHIFT) \& ~1UL)];/
