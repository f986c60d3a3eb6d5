# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The part of cuda-python that rdma-core's tests of GPU memory use, implemented
# with /dev/peer_vram0; see cuda.py.
