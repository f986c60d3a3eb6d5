# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# release() keeps its reference to the object.
#
# Test: end.on_demand.given_back

s/^\texample_put(reg->object);//
