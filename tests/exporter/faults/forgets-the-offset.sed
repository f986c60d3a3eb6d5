# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Every region begins at the first page of the object.
#
# Test: data.on_demand.parts

s/^\treg->first = .*/\treg->first = 0;/
