# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The files of a guest's kernel, in one folder:

  vmlinuz              the kernel
  lib/modules/VERSION  its modules, with the indexes of depmod
  initrd               busybox and the modules that the root file system needs
  accel-*              whether KVM works, see accel.py

Each is created under another name and renamed, so that an existing one is complete.
"""

import fcntl
import os
import shutil
import subprocess

from . import cpio
from .report import Failure, say

HERE = os.path.dirname(os.path.abspath(__file__))

# Modules for the root file system and the network card.
BOOT_MODULES = ('virtio_net', '9pnet_virtio', '9p', 'overlay')
BUSYBOX = ('sh', 'mount', 'insmod', 'cat', 'cp', 'mkdir', 'rmdir', 'chmod', 'grep', 'poweroff',
           'switch_root')
UNPACK = {'.xz': ('xz', '-dc'), '.zst': ('zstd', '-dcq')}


def image(version, root):
    """The image of a kernel whose root folder is root ('' for an installed one). Some
    distributions have it only beside the modules, as Debian from Linux 7.x on."""
    for path in (f'{root}/boot/vmlinuz-{version}', f'{root}/lib/modules/{version}/vmlinuz'):
        if os.path.isfile(path):
            return path
    raise Failure(f'the kernel {version} is not installed; run as root: '
                  f'apt-get install linux-image-{version}')


def copy_linked(source, target):
    """Copies a folder, with hard links if possible."""
    for copy in os.link, shutil.copy2:
        try:
            shutil.copytree(source, target, symlinks=True, copy_function=copy)
            return
        except (OSError, shutil.Error):
            shutil.rmtree(target, ignore_errors=True)
    raise Failure(f'cannot copy {source} to {target}')


def index(folder, version):
    say(f'indexing the modules of {version}')
    if subprocess.run(['depmod', '-b', folder, version], check=False).returncode:
        raise Failure(f'depmod failed for {folder}')


def collect(version, root, folder):
    """Copies a kernel and its modules (100 MB) into folder. Other folders of
    /lib/modules/VERSION are left out: peermem may be installed there, and the guest must
    not load those modules."""
    source = f'{root}/lib/modules/{version}'
    target = f'{folder}/lib/modules/{version}'
    path = image(version, root)
    os.makedirs(target)
    os.mkdir(f'{folder}/usr')
    # The depmod and the modprobe of some distributions search in usr/lib.
    os.symlink('../lib', f'{folder}/usr/lib')
    shutil.copyfile(path, f'{folder}/vmlinuz')
    copy_linked(f'{source}/kernel', f'{target}/kernel')
    for name in 'order', 'builtin', 'builtin.modinfo':
        shutil.copy(f'{source}/modules.{name}', target)
    index(folder, version)


def link_headers(version, root, folder):
    """Links the headers, to build modules in the guest. There may be none."""
    headers = os.path.realpath(f'{root}/lib/modules/{version}/build')
    link = f'{folder}/lib/modules/{version}/build'
    if os.path.isdir(headers) and not os.path.islink(link):
        os.symlink(headers, link)


def unpacked(path):
    """The content of a module, which may be compressed."""
    command = UNPACK.get(os.path.splitext(path)[1], ('cat',))
    done = subprocess.run([*command, path], capture_output=True, check=False)
    if done.returncode:
        raise Failure(f'cannot unpack the module {path}')
    return done.stdout


def needed_modules(folder, version, names, optional=()):
    """The files of modules and of those they need, in the order of loading. Some kernels
    do not have the optional ones."""
    paths = []
    for name in (*names, *optional):
        done = subprocess.run(['modprobe', '-d', folder, '-S', version, '-D', name],
                              capture_output=True, text=True, check=False)
        if done.returncode and name not in optional:
            raise Failure(f'the kernel {version} has no module {name}: {done.stderr.strip()}')
        for line in done.stdout.splitlines():
            if line.startswith('insmod ') and line.split()[1] not in paths:
                paths.append(line.split()[1])
    return paths


def static_busybox():
    done = subprocess.run([f'{HERE}/static-busybox.sh'], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Failure('no static busybox found: the initrd has no shared libraries. '
                      'Install the package busybox-static or busybox')
    return done.stdout.strip()


def make_initrd(version, folder, busybox):
    archive = cpio.Archive()
    for name in 'bin', 'modules', 'proc', 'sys', 'dev':
        archive.folder(name)
    archive.copy(busybox, 'bin/busybox')
    for name in BUSYBOX:
        archive.link(f'bin/{name}', 'busybox')
    order = []
    for path in needed_modules(folder, version, BOOT_MODULES):
        name = os.path.basename(path).partition('.ko')[0] + '.ko'
        archive.file(f'modules/{name}', unpacked(path))
        order.append(name + '\n')
    archive.file('modules/order', ''.join(order))
    with open(f'{folder}/initrd.new', 'wb') as file:
        file.write(archive.data())
    os.rename(f'{folder}/initrd.new', f'{folder}/initrd')


def is_current(path):
    """Is the file newer than this one?"""
    return os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(__file__)


def prepare(version, root, cache, guest_root):
    """Creates what is missing in cache/VERSION, and returns that folder. guest_root is
    the root of a guest of another architecture, or ''."""
    folder = f'{cache}/{version}'
    os.makedirs(cache, exist_ok=True)
    with open(f'{cache}/lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            shutil.rmtree(f'{folder}.new', ignore_errors=True)
            os.mkdir(f'{folder}.new')
            collect(version, root, f'{folder}.new')
            os.rename(f'{folder}.new', folder)
        link_headers(version, root, folder)
        if not is_current(f'{folder}/initrd'):
            make_initrd(version, folder,
                        f'{guest_root}/bin/busybox' if guest_root else static_busybox())
    return folder
