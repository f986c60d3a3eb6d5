# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# claim() does not look whether the mapping may be written.
#
# Test: claim.read_only

s/region->writable, &example_vm_ops,/false, \&example_vm_ops,/
