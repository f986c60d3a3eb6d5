# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What rdma-core's tests of GPU memory call of cuda-python, for a "GPU" whose
# memory is /dev/peer_vram0: see cuda.py.
