#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The unmodified perftest of the distribution with BAR 2 of a PCI device, mapped
# through sysfs. Registration fails with EFAULT until the file is allowed. Then
# pinned and on-demand MRs work; counters and trace events prove that they used
# that memory. Runs in the guest.

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))
sys.path.insert(0, os.path.join(HERE, '../clients'))

from evidence import Trace, exporter_counters  # noqa: E402
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
    """Unbind the ivshmem device. Return its directory in sysfs."""
    for device in glob.glob('/sys/bus/pci/devices/*'):
        if read(device + '/vendor') == '0x1af4' and \
                read(device + '/device') == '0x1110':
            if os.path.exists(device + '/driver'):
                write(device + '/driver/unbind', os.path.basename(device))
            return device
    sys.exit('no ivshmem device found')


def perftest(program, *options):
    command = [program, '-d', 'rxe0', '-F', '-n', '100', *options]
    return run_pair(command, command, PORT)


def counted(run):
    """Return the result of run() and the number of MRs of peer_maps."""
    before = exporter_counters('peer_maps')['num_alloc_mrs']
    result = run()
    return *result, exporter_counters('peer_maps')['num_alloc_mrs'] - before


def main():
    subprocess.run(['modprobe', 'peer_maps'], check=True)
    memory = ivshmem() + '/resource2'
    good, text, mrs = counted(lambda: perftest('ib_write_bw',
                                               '--mmap=' + memory))
    tap.point('ib_write_bw on resource2 fails before the file is allowed',
              not good and "Couldn't allocate MR" in text and not mrs, text,
              mrs)
    write(PARAMETERS + '/allow', 'file ' + memory)
    tap.equal('"allow" lists the file', read(PARAMETERS + '/allow'),
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
    counters = exporter_counters('peer_maps')
    tap.equal('all regions are released', counters['num_alloc_mrs'],
              counters['num_dealloc_mrs'])
    tap.done()


main()
