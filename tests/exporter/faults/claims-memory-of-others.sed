# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# claim() takes any memory for the object that was created last. What is behind that
# object shows its last page.
#
# Test: claim.memory_of_others

/^static atomic_long_t example_next_pgoff/a\
static struct example_object *example_last;
s/^\tobj->pgoff = atomic_long_fetch_add.*/&\n\tkref_get(\&obj->kref);\n\texample_last = obj;/
s/^\tif (IS_ERR(obj))$/\tif (IS_ERR(obj) \&\& example_last) {\n\t\tobj = example_last;\n\t\toffset = (u64)obj->pgoff << PAGE_SHIFT;\n\t\texample_get(obj);\n\t}\n&/
s/reg->object->pages\[reg->first + (offset >> PAGE_SHIFT)\]/reg->object->pages[min_t(u64, reg->first + (offset >> PAGE_SHIFT), reg->object->count - 1)]/
