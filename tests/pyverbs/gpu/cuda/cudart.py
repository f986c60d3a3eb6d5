# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The tests import this module, but do not use it.
