#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The distribution's perftest, unmodified, on BAR 2 of a PCI device by sysfs:
# EFAULT until the file is allowed; then pinned and on demand, and proof that the
# registrations were of that memory. Runs in the guest.

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))
sys.path.insert(0, os.path.join(HERE, '../clients'))

from evidence import Trace, client_counters  # noqa: E402
from points import Tap  # noqa: E402
from programs import run_pair  # noqa: E402

PARAMETERS = '/sys/module/peer_maps/parameters'
PORT = 18515

tap = Tap()


def read(path):
    with open(path, encoding='ascii') as file:
        return file.read().strip()


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


def ivshmem():
    """The device's folder, with nobody driving it."""
    for device in glob.glob('/sys/bus/pci/devices/*'):
        if read(device + '/vendor') == '0x1af4' and \
                read(device + '/device') == '0x1110':
            if os.path.exists(device + '/driver'):
                write(device + '/driver/unbind', os.path.basename(device))
            return device
    sys.exit('there is no ivshmem device')


def perftest(program, *options):
    command = [program, '-d', 'rxe0', '-F', '-n', '100', *options]
    return run_pair(command, command, PORT)


def counted(run):
    """What it returns, and how many registrations peer_maps served."""
    before = client_counters('peer_maps')['num_alloc_mrs']
    result = run()
    return *result, client_counters('peer_maps')['num_alloc_mrs'] - before


def main():
    subprocess.run(['modprobe', 'peer_maps'], check=True)
    memory = ivshmem() + '/resource2'
    good, text, mrs = counted(lambda: perftest('ib_write_bw',
                                               '--mmap=' + memory))
    tap.point('ib_write_bw on resource2 fails as long as it is not allowed',
              not good and "Couldn't allocate MR" in text and not mrs, text,
              mrs)
    write(PARAMETERS + '/allow', 'file ' + memory)
    tap.equal('it is on the list', read(PARAMETERS + '/allow'),
              'file ' + memory)
    good, text, mrs = counted(lambda: perftest('ib_write_bw',
                                               '--mmap=' + memory))
    tap.point('ib_write_bw on resource2, pinned', good and mrs == 2, text, mrs)
    with Trace() as trace:
        good, text, mrs = counted(lambda: perftest('ib_write_bw', '--odp',
                                                   '--mmap=' + memory))
    tap.point('ib_write_bw --odp on resource2',
              good and mrs == 2 and trace.mrs_with_faults() == 2 and
              trace.pages(device=True) >= 2, text, mrs, trace.events)
    counters = client_counters('peer_maps')
    tap.equal('every region was given back', counters['num_alloc_mrs'],
              counters['num_dealloc_mrs'])
    tap.done()


main()
