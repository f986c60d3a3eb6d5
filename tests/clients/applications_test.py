#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The commands of docs/applications.md: unmodified programs and libraries of the
# distribution with VRAM. Runs in the guest.
#
# UCX and MPI copy the data if memory cannot be registered, and still succeed. So
# the test checks three more things. The examples ask the exporter after each
# transfer how many MRs cover the memory. The exporter's counters show the
# registrations. The kernel log shows no failed registration. For on-demand MRs the
# trace also shows the pages that were faulted in. The last tests prove that these
# checks detect copies.

import os
import re
import subprocess
import sys
from mmap import PAGESIZE

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from evidence import KernelLog, Trace, exporter_counters  # noqa: E402
from page import Shell, blocks  # noqa: E402
from points import Tap  # noqa: E402

PAGE = os.path.join(HERE, '../../docs/applications.md')
RXE = os.path.join(HERE, '../../vm/guest/rxe.sh')

# Seconds, for emulation on a busy host.
TIMEOUT = 240

# Bytes of a transfer of the examples, and of the buffer of perftest.
SIZE = 4 << 20
PERFTEST = 2 * 65536

RIGHT = re.compile(r'^(.*): (\d+) bytes right, MRs over them: (\d+), '
                   r'pinned: (\d+)$', re.MULTILINE)

tap = Tap()


class Run:
    """Runs a block, and records counters, trace events and the kernel log."""

    def __init__(self, shell, commands, **settings):
        before = exporter_counters()
        with Trace() as self.trace, KernelLog() as self.log:
            self.status, self.text = shell.run(commands, **settings)
        after = exporter_counters()
        self.counters = {name: after[name] - before[name] for name in after}
        # {transfer: (bytes, MRs, pinned MRs)}
        self.right = {what: tuple(map(int, numbers))
                      for what, *numbers in RIGHT.findall(self.text)}

    def succeeded(self):
        return self.status == 0

    def worked(self):
        """Succeeded, or UCX crashed when it closed an implicit MR at the end."""
        return self.status == 0 or 'uct_ib_md_close' in self.text

    def registered(self, mrs, size):
        """At least mrs MRs of size bytes were registered and deregistered."""
        return (self.counters['num_alloc_mrs'] >= mrs and
                self.counters['num_alloc_mrs'] ==
                self.counters['num_dealloc_mrs'] and
                self.counters['num_reg_bytes'] ==
                self.counters['num_alloc_mrs'] * size and
                not self.log.failed_registrations())

    def describe(self):
        return '\n'.join([f'status {self.status}, {self.counters}',
                          *self.log.failed_registrations(),
                          *self.text.split('\n')[-40:]])


# ---- expected results of blocks ----

def succeeds(run):
    return run.succeeded() and not run.log.failed_registrations()


def silently(run):
    return run.succeeded() and not run.text


def pinned(transfers, mrs, size=SIZE):
    return lambda run: (
        run.succeeded() and run.registered(mrs, size) and
        len(run.right) == transfers and
        all(0 < have == pins for _, have, pins in run.right.values()) and
        not run.trace.named('ib_peer_fault'))


def on_demand(transfers, mrs, size=SIZE, pages=None, ended=Run.succeeded):
    return lambda run: (
        ended(run) and run.registered(mrs, size) and
        len(run.right) == transfers and
        all(have > 0 == pins for _, have, pins in run.right.values()) and
        run.trace.mrs_with_faults() > 0 and
        run.trace.pages(device=True) >= (pages or mrs * size // PAGESIZE))


EXPECTED = {
    'perftest': {
        'pinned': pinned(0, 2, PERFTEST),
        'on demand': on_demand(0, 2, PERFTEST, pages=PERFTEST // PAGESIZE),
    },
    'UCX': {
        'compile': silently,
        'settings': silently,
        'pinned': pinned(6, 4),
        'on demand': on_demand(6, 4),
        'on demand, implicit': on_demand(6, 4, ended=Run.worked),
    },
    'Open MPI over UCX': {
        'compile': silently,
        'settings': silently,
        'pinned': pinned(4, 4),
        'on demand': on_demand(4, 4, ended=Run.worked),
    },
    'libfabric': {
        'compile': silently,
        'pinned': pinned(4, 2),
        'on demand': on_demand(4, 2),
        'fi_pingpong': succeeds,
        'settings for reliable datagrams': silently,
        'fi_pingpong, reliable datagrams': succeeds,
        'Open MPI over libfabric, pinned': pinned(4, 3),
        'Open MPI over libfabric, on demand': on_demand(4, 3),
    },
    'librdmacm': {
        'compile': silently,
        'pinned': pinned(3, 5),
        'rping': succeeds,
        'ucmatose': succeeds,
        'riostream': succeeds,
    },
}


def test_page(shells):
    expected = dict(EXPECTED)
    for section, name, commands in blocks(PAGE):
        run = Run(shells[section], commands)
        check = expected[section].pop(name)
        tap.point(f'{section}: {name}', check(run), run.describe())
    tap.equal('blocks that the page lacks',
              [section for section, left in expected.items() if left], [])


# ---- the checks detect copies and failures ----

def block(section, name):
    return next(commands for of, called, commands in blocks(PAGE)
                if (of, called) == (section, name))


def copied(run, *transfers):
    return all(run.right.get(what) == (SIZE, 0, 0) for what in transfers)


def test_copying(shells):
    run = Run(shells['Open MPI over UCX'],
              block('Open MPI over UCX', 'pinned'),
              UCX_RNDV_THRESH='inf', UCX_ZCOPY_THRESH='inf')
    tap.point('copied messages are not covered by MRs', run.succeeded() and
              copied(run, 'rank 0, sent', 'rank 1, received'), run.describe())


def test_stock(shells):
    subprocess.run([RXE, 'stock'], check=True)
    try:
        for section in 'UCX', 'libfabric', 'librdmacm':
            run = Run(shells[section], block(section, 'pinned'))
            tap.point(f'stock rxe: {section} cannot register',
                      not run.succeeded() and run.log.failed_registrations() and
                      not run.right, run.describe())
        run = Run(shells['Open MPI over UCX'],
                  block('Open MPI over UCX', 'pinned'))
        tap.point('stock rxe: MPI silently copies messages',
                  copied(run, 'rank 0, sent', 'rank 1, received') and
                  run.log.failed_registrations(), run.describe())
        tap.point('stock rxe: MPI_Win_create() fails', not run.succeeded() and
                  'MPI_Win_create' in run.text, run.describe())
    finally:
        subprocess.run([RXE, 'extended'], check=True)


def main():
    shells = {section: Shell(TIMEOUT) for section in EXPECTED}
    test_page(shells)
    test_copying(shells)
    test_stock(shells)
    tap.done()


main()
