# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Pinned memory moves, and only the mappings are told. The old pages are not freed, so that
# the fault damages nothing else.
#
# Test: move.pinned.at_rest

s/^\tif (obj->pins) {/\tif (0) {/
s/^\t\tif (reg->reported)/\t\tif (0)/
/^static int example_move(/,/^}/s/^\texample_free_pages(fresh, obj->count);//
