# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Revocation only invalidates: on-demand MRs fault again.
#
# Test: revoke.on_demand.at_rest

s/^\t\tib_peer_revoke(reg->region);/\t\tib_peer_invalidate(reg->region, 0, reg->region->length);/
