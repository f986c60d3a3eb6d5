# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A move tells the core, but the CPU keeps the old pages, which are not freed.
#
# Test: move.on_demand.at_rest

/^\tunmap_mapping_range(/,/;$/d
/^static int example_move(/,/^}/s/^\texample_free_pages(fresh, obj->count);//
