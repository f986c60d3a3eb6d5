# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# unpin() does nothing.
#
# Test: move.pinned.after_deregistration

s/^\treg->object->pins--;//
