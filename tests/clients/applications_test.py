#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The commands of docs/applications.md: programs and libraries of the
# distribution, unmodified, on video memory. Runs in the guest.
#
# UCX and MPI copy when memory cannot be registered, and succeed. So there are
# three witnesses: the examples ask the owner of the memory how many MRs lie over
# it after each transfer, the owner's counters tell what was registered, and the
# kernel's log that no registration failed. For on-demand MRs also: the pages
# that were brought. That these witnesses know a copy from an MR is tested, too.

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from evidence import KernelLog, Trace, client_counters  # noqa: E402
from page import Shell, blocks  # noqa: E402
from points import Tap  # noqa: E402

PAGE = os.path.join(HERE, '../../docs/applications.md')
RXE = os.path.join(HERE, '../vm/rxe.sh')

# Under emulation, with everything else that runs.
TIMEOUT = 240

# What an example transfers, and perftest has as its buffer.
SIZE = 4 << 20
PERFTEST = 2 * 65536

RIGHT = re.compile(r'^(.*): (\d+) bytes right, MRs over them: (\d+), '
                   r'pinned: (\d+)$', re.MULTILINE)

tap = Tap()


class Run:
    """A block that was run, and its witnesses."""

    def __init__(self, shell, commands, **settings):
        before = client_counters()
        with Trace() as self.trace, KernelLog() as self.log:
            self.status, self.text = shell.run(commands, **settings)
        after = client_counters()
        self.counters = {name: after[name] - before[name] for name in after}
        # {what: (bytes, MRs, those of them that pin)}
        self.right = {what: tuple(map(int, numbers))
                      for what, *numbers in RIGHT.findall(self.text)}

    def succeeded(self):
        return self.status == 0

    def worked(self):
        """Or died of UCX's ending an implicit MR, with all work done."""
        return self.status == 0 or 'uct_ib_md_close' in self.text

    def registered(self, mrs, size):
        """At least so many MRs of that size, which are gone now."""
        return (self.counters['num_alloc_mrs'] >= mrs and
                self.counters['num_alloc_mrs'] ==
                self.counters['num_dealloc_mrs'] and
                self.counters['num_reg_bytes'] ==
                self.counters['num_alloc_mrs'] * size and
                not self.log.refused())

    def describe(self):
        return '\n'.join([f'status {self.status}, {self.counters}',
                          *self.log.refused(), *self.text.split('\n')[-40:]])


# ---- what is expected of a block ----

def succeeds(run):
    return run.succeeded() and not run.log.refused()


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
        run.trace.pages(device=True) >= (pages or mrs * size // 4096))


EXPECTED = {
    'perftest': {
        'pinned': pinned(0, 2, PERFTEST),
        'on demand': on_demand(0, 2, PERFTEST, pages=32),
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
    tap.equal('no block is missing',
              [section for section, left in expected.items() if left], [])


# ---- what it would look like otherwise ----

def block(section, name):
    return next(commands for of, called, commands in blocks(PAGE)
                if (of, called) == (section, name))


def copied(run, *transfers):
    return all(run.right.get(what) == (SIZE, 0, 0) for what in transfers)


def test_copying(shells):
    run = Run(shells['Open MPI over UCX'],
              block('Open MPI over UCX', 'pinned'),
              UCX_RNDV_THRESH='inf', UCX_ZCOPY_THRESH='inf')
    tap.point('a message that is copied lies on no MR', run.succeeded() and
              copied(run, 'rank 0, sent', 'rank 1, received'), run.describe())


def test_stock(shells):
    subprocess.run([RXE, 'stock'], check=True)
    try:
        for section in 'UCX', 'libfabric', 'librdmacm':
            run = Run(shells[section], block(section, 'pinned'))
            tap.point(f'the stock rxe: {section} cannot register',
                      not run.succeeded() and run.log.refused() and
                      not run.right, run.describe())
        run = Run(shells['Open MPI over UCX'],
                  block('Open MPI over UCX', 'pinned'))
        tap.point('the stock rxe: MPI copies messages, and does not say so',
                  copied(run, 'rank 0, sent', 'rank 1, received') and
                  run.log.refused(), run.describe())
        tap.point('and dies of a window', not run.succeeded() and
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
