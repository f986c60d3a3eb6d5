# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A new object gets the pages of the one that ended last, with their contents.
#
# Test: end.pinned.cleared

/^static atomic_long_t example_next_pgoff/a\
static struct page **example_kept;\
static unsigned long example_kept_count;\
static DEFINE_MUTEX(example_kept_lock);
s/^\tobj->pages = example_alloc_pages(count);/\tmutex_lock(\&example_kept_lock);\n\tif (example_kept_count == count)\n\t\tswap(obj->pages, example_kept);\n\tif (obj->pages)\n\t\texample_kept_count = 0;\n\tmutex_unlock(\&example_kept_lock);\n\tif (!obj->pages)\n\t\tobj->pages = example_alloc_pages(count);/
s/^\texample_free_pages(obj->pages, obj->count);/\tmutex_lock(\&example_kept_lock);\n\tswap(obj->pages, example_kept);\n\tswap(obj->count, example_kept_count);\n\tmutex_unlock(\&example_kept_lock);\n&/
