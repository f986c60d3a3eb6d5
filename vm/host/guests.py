# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Guests: a kernel, its modules and peermem's.

A guest is either a build folder of the source folder, or a folder that "peermem-vm pack"
made. The latter has a file guest.conf with lines NAME=VALUE, and the files of kernel.py;
peermem's modules are in modules/. Packages install such folders in PLACE.
"""

import glob
import os
import re
import subprocess

from . import kernel
from .report import Failure

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
PLACE = '/usr/lib/peermem/guests'


def is_clone():
    """Is this the source folder, where guests are built?"""
    return os.path.isfile(os.path.join(PROJECT, 'run'))


class Guest:
    """
    version     version of the kernel
    arch        architecture of Debian's packages for it: amd64, arm64
    config      kernel configuration: plain, debug or kcsan
    kernel      folder with the files of kernel.py
    modules     folder with peermem's modules, as M/M.ko or M.ko
    build       the build folder, or None
    host_root   root folder of a guest of another architecture, or ''
    over        folder that is laid over the guest's root, or None
    memory      default size of the memory. KASAN and KCSAN need some of their own
    """

    memory = '2G'

    def __init__(self, version, config, folder, modules, build=None, host_root='', over=None):
        self.version = version
        self.arch = 'arm64' if re.search('-arm64(-16k)?$', version) else 'amd64'
        self.config = config
        self.kernel = folder
        self.modules = modules
        self.build = build
        self.host_root = host_root
        self.over = over

    def module_files(self):
        """Path of each of peermem's modules by its name."""
        paths = (glob.glob(f'{glob.escape(self.modules)}/*.ko') +
                 glob.glob(f'{glob.escape(self.modules)}/*/*.ko'))
        return {os.path.basename(path)[:-3]: path for path in sorted(paths)}


def variable(build, name):
    """The value of a variable of a build folder, or ''."""
    try:
        with open(f'{build}/CMakeCache.txt', encoding='utf-8') as file:
            found = re.search(rf'^{name}:[A-Z]*=(.*)$', file.read(), re.MULTILINE)
    except FileNotFoundError:
        return ''
    return found.group(1) if found else ''


def installed_kernel():
    done = subprocess.run([f'{PROJECT}/cmake/installed-kernels.sh'], capture_output=True,
                          text=True, check=True)
    if not done.stdout:
        raise Failure("no headers of a 6.12 kernel in /usr/src; run './run setup'")
    return done.stdout.splitlines()[0]


def of_build(build, stock, over=None):
    """The guest of a build folder. Its kernel is the one that the folder is configured
    for, else the newest whose headers are installed."""
    build = os.path.abspath(build)
    version = variable(build, 'PEERMEM_KERNEL') or installed_kernel()
    modules = f'{build}/kernel'
    # Without peermem's modules, the guest would silently load the distribution's.
    if not stock and not os.path.isfile(f'{modules}/rxe/rdma_rxe.ko'):
        raise Failure(f"no modules in {build}; build them with './run build', or use "
                      "--stock for the distribution's")
    host_root = variable(build, 'PEERMEM_GUEST_ROOT')
    folder = kernel.prepare(version, variable(build, 'PEERMEM_KERNEL_ROOT'), f'{build}/vm',
                            host_root)
    guest = Guest(version, variable(build, 'PEERMEM_CONFIG') or 'plain', folder, modules,
                  build, host_root, over)
    if variable(build, 'PEERMEM_KERNEL_ROOT'):
        guest.memory = '4G'
    return guest


def configuration(folder):
    """The lines of guest.conf."""
    with open(f'{folder}/guest.conf', encoding='utf-8') as file:
        return dict(line.strip().split('=', 1) for line in file if '=' in line)


def of_pack(folder):
    folder = os.path.abspath(folder)
    lines = configuration(folder)
    try:
        guest = Guest(lines['kernel'], lines['config'], folder, f'{folder}/modules')
        guest.memory = lines['memory']
        return guest
    except KeyError as error:
        raise Failure(f'{folder}/guest.conf has no line {error.args[0]}=VALUE') from None


def in_folder(folder, stock):
    """The guest in a folder that the user has named."""
    if not os.path.isdir(folder):
        raise Failure(f'--guest {folder}: there is no such folder')
    if os.path.exists(f'{folder}/guest.conf'):
        return of_pack(folder)
    if os.path.exists(f'{folder}/CMakeCache.txt') or stock:
        return of_build(folder, stock)
    raise Failure(f'--guest {folder}: neither a guest of "peermem-vm pack" nor a build folder; '
                  "there are no modules. Build them with './run build'")


def version_key(guest):
    return [int(word) for word in re.findall('[0-9]+', guest.version)]


def installed(place=PLACE):
    """The installed guests, the newest kernel first."""
    guests = [of_pack(os.path.dirname(path))
              for path in glob.glob(f'{glob.escape(place)}/*/guest.conf')]
    return sorted(guests, key=version_key, reverse=True)


def matches(guest, wanted):
    """Is wanted the guest's version or its series?"""
    return guest.version == wanted or guest.version.startswith(wanted + '.')


def choose(wanted, config, place=PLACE):
    """The installed guest with the kernel that is wanted (version, series, or None for
    the oldest series, which most tests ran on)."""
    known = installed(place)
    fit = [guest for guest in known if guest.config == config]
    if wanted:
        fit = [guest for guest in fit if matches(guest, wanted)]
        if fit:
            return fit[0]
    elif fit:
        series = min(version_key(guest)[:2] for guest in fit)
        return next(guest for guest in fit if version_key(guest)[:2] == series)
    names = ', '.join(f'{guest.version} ({guest.config})' for guest in known)
    if names:
        raise Failure(f"no guest with {'the kernel ' + wanted if wanted else 'a ' + config} "
                      f"{'in the configuration ' + config if wanted else 'kernel'} is "
                      f'installed; there are: {names}')
    raise Failure('no guest is installed; run as root: apt-get install peermem-guest-6.12, or '
                  'name the folder of a guest with --guest')
