# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# claim() looks at the first page only. What is behind the memory shows its last page.
#
# Test: claim.beyond_the_mapping

s/ib_peer_find_mapping(region->mm, region->start, region->length,/ib_peer_find_mapping(region->mm, region->start, PAGE_SIZE,/
s/reg->object->pages\[reg->first + (offset >> PAGE_SHIFT)\]/reg->object->pages[min_t(u64, reg->first + (offset >> PAGE_SHIFT), reg->object->count - 1)]/
