# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# claim() takes a reference to the module, which nobody drops.
#
# Test: module.on_demand.unloaded_while_registered

s/^\treg->region = region;/\t__module_get(THIS_MODULE);\n&/
