# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""peermem-vm pack: makes a guest that needs neither the source folder nor a kernel of the
distribution."""

import os
import shutil
import subprocess

from . import guests, kernel
from .report import Failure, UsageError, say

USAGE = '''\
Usage: peermem-vm pack BUILD FOLDER

Makes a guest in the new folder FOLDER from the build folder BUILD, which has the
modules: the kernel, the modules of the distribution that it needs, and peermem's
(about 20 MB). "peermem-vm run --guest FOLDER" uses it.
'''

# Modules of the distribution besides those that peermem's and the boot need
MODULES = ('ib_uverbs', 'rdma_ucm', 'rdma_rxe')
# Not all kernels have these: for the disks, networks and file systems that tests make, and
# the checksums that rxe and ext4 ask for by name
OPTIONAL = ('ib_umad', 'nvme', 'ext4', 'loop', 'veth', 'dummy', 'bridge', 'tun',
            'crc32_generic', 'crc32_pclmul', 'crc32c_generic', 'crc32c_intel')


def needed(module):
    done = subprocess.run(['modinfo', '-F', 'depends', module], capture_output=True,
                          text=True, check=True)
    return [name for name in done.stdout.strip().split(',') if name]


def wanted_modules(guest):
    """Names of the distribution's modules."""
    ours = guest.module_files()
    names = list(kernel.BOOT_MODULES + MODULES)
    for path in ours.values():
        names += [name for name in needed(path) if name not in ours and name not in names]
    return names


def copy_modules(guest, folder):
    """Copies the distribution's modules that are needed, unpacked: the guest loads them
    faster."""
    target = f'{folder}/lib/modules/{guest.version}'
    os.makedirs(target)
    paths = kernel.needed_modules(guest.kernel, guest.version, wanted_modules(guest),
                                  OPTIONAL)
    for path in paths:
        relative = path.partition(f'/lib/modules/{guest.version}/')[2]
        relative = relative.partition('.ko')[0] + '.ko'
        os.makedirs(f'{target}/{os.path.dirname(relative)}', exist_ok=True)
        with open(f'{target}/{relative}', 'wb') as file:
            file.write(kernel.unpacked(path))
    for name in 'order', 'builtin', 'builtin.modinfo':
        shutil.copy(f'{guest.kernel}/lib/modules/{guest.version}/modules.{name}', target)
    os.makedirs(f'{folder}/usr')
    os.symlink('../lib', f'{folder}/usr/lib')
    kernel.index(folder, guest.version)


def pack(guest, folder):
    for name in 'vmlinuz', 'initrd':
        shutil.copyfile(f'{guest.kernel}/{name}', f'{folder}/{name}')
    copy_modules(guest, folder)
    os.mkdir(f'{folder}/modules')
    for path in guest.module_files().values():
        shutil.copy(path, f'{folder}/modules/')
    with open(f'{folder}/guest.conf', 'w', encoding='utf-8') as file:
        file.write(f'kernel={guest.version}\nconfig={guest.config}\n'
                   f'memory={guest.memory}\n')


def size(folder):
    return sum(os.lstat(os.path.join(path, name)).st_size
               for path, _, names in os.walk(folder) for name in names)


def command(arguments):
    if arguments and arguments[0] in ('-h', '--help'):
        print(USAGE, end='')
        return 0
    if len(arguments) != 2:
        raise UsageError('pack needs two arguments: BUILD and FOLDER')
    build, folder = arguments
    if os.path.exists(folder):
        raise Failure(f'{folder} exists; pack makes a new folder')
    if not os.path.isfile(f'{build}/CMakeCache.txt'):
        raise Failure(f"{build} is no build folder; './run build' makes one")
    guest = guests.of_build(build, False)
    if guest.host_root:
        raise Failure('only guests of the architecture of the host can be packed')
    shutil.rmtree(f'{folder}.new', ignore_errors=True)
    os.makedirs(f'{folder}.new')
    pack(guest, f'{folder}.new')
    os.rename(f'{folder}.new', folder)
    say(f'{folder}: kernel {guest.version}, {size(folder) // 1000000} MB')
    return 0
