# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A move copies all pages but the last one.
#
# Test: move.on_demand.before_the_first_access

/^static int example_move(/,/^}/s/i < obj->count; i++/i + 1 < obj->count; i++/
