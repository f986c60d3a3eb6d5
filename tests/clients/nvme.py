# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Binds an NVMe controller to peer_cmb, as an administrator would.

import glob
import os
import subprocess

PCI = '/sys/bus/pci'
CLASS_NVME = '0x010802'


def controllers():
    """Yield the addresses of controllers without a driver or with peer_cmb."""
    for path in sorted(glob.glob(f'{PCI}/devices/*')):
        with open(f'{path}/class', encoding='ascii') as file:
            if file.read().strip() != CLASS_NVME:
                continue
        driver = os.path.realpath(f'{path}/driver')
        if os.path.basename(driver) in ('driver', 'peer_cmb'):
            yield os.path.basename(path)


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


def nvme_memory():
    """Return the device file of the first controller that has a CMB."""
    subprocess.run(['modprobe', 'peer_cmb'], check=True)
    for address in controllers():
        device = f'{PCI}/devices/{address}'
        write(f'{device}/driver_override', 'peer_cmb')
        write(f'{PCI}/drivers_probe', address)
        for node in glob.glob(f'{device}/misc/peer_cmb*'):
            return '/dev/' + os.path.basename(node)
    raise OSError('no NVMe controller has a CMB')
