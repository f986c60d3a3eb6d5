# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the tests use of the CUDA runtime API, from rdma-core 56 on: there is one GPU.
#
# The callers require these names.
# pylint: disable=invalid-name

import enum


class cudaError_t(enum.Enum):
    cudaSuccess = 0


def cudaGetDeviceCount():
    return cudaError_t.cudaSuccess, 1
