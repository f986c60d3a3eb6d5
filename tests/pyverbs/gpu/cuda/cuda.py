# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The CUDA driver API for VRAM. An allocation is a mapped BO of /dev/peer_vram0,
# and its address is the device pointer. A handle of a range is a dma-buf that
# PEER_MEM_IOC_EXPORT creates. Functions return tuples: a CUresult, then values.
#
# The callers require these names.
# pylint: disable=invalid-name

import ctypes
import enum
import fcntl
import mmap
import os
import struct

NODE = '/dev/peer_vram0'

# struct peer_mem_export: size, flags, addr, length, fd, reserved
EXPORT = struct.Struct('=IIQQiI')
EXPORT_IOCTL = 0xd4 << 8 | 1
EXPORT_WRITE = 1


class CUresult(enum.Enum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100


class CUctx_flags(enum.Enum):
    CU_CTX_MAP_HOST = 8


class CUpointer_attribute(enum.Enum):
    CU_POINTER_ATTRIBUTE_SYNC_MEMOPS = 6


class CUmemRangeHandleType(enum.Enum):
    CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD = 1


class CUdeviceptr:
    def __init__(self, init_value=0):
        self.value = init_value

    def __int__(self):
        return self.value


OK = CUresult.CUDA_SUCCESS
allocations = {}  # by address


def cuInit(_flags):
    return (OK,)


def cuDeviceGet(number):
    return OK, number


def cuCtxCreate(_flags, device):
    return OK, ('context', device)


def cuCtxSetCurrent(_context):
    return (OK,)


def cuCtxDestroy(_context):
    return (OK,)


def cuGetErrorName(error):
    return OK, error.name


def cuPointerSetAttribute(_value, _attribute, pointer):
    return (OK if int(pointer) in allocations
            else CUresult.CUDA_ERROR_INVALID_VALUE,)


def cuMemAlloc(size):
    fd = os.open(NODE, os.O_RDWR | os.O_CLOEXEC)
    try:
        memory = mmap.mmap(fd, size)
    except OSError:
        return CUresult.CUDA_ERROR_OUT_OF_MEMORY, None
    finally:
        os.close(fd)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    allocations[address] = memory
    return OK, CUdeviceptr(address)


def cuMemFree(pointer):
    allocations.pop(int(pointer)).close()
    return (OK,)


def cuMemcpyHtoD(pointer, data, size):
    ctypes.memmove(int(pointer), bytes(data[:size]), size)
    return (OK,)


def cuMemcpyDtoH(data, pointer, size):
    data[:size] = ctypes.string_at(int(pointer), size)
    return (OK,)


def cuMemGetHandleForAddressRange(pointer, size, _kind, _flags):
    call = bytearray(EXPORT.pack(EXPORT.size, EXPORT_WRITE, int(pointer), size,
                                 0, 0))
    node = os.open('/dev/peer_mem', os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(node, EXPORT_IOCTL, call)
    except OSError:
        return CUresult.CUDA_ERROR_INVALID_VALUE, None
    finally:
        os.close(node)
    return OK, EXPORT.unpack(call)[4]
