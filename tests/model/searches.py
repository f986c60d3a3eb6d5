#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Searches the models in this directory with Spin.
#
#   searches.py              runs all searches and prints TAP
#   searches.py quick        the same without large searches, as in the quick run
#   searches.py list         prints their names
#   searches.py one NAME     runs one search; prints the output of Spin, and the
#                            trail of an error
#
# A search without a fault must be complete and find no error. A search of a model
# with a fault must find the violation that is listed here. See README.md.

import argparse
import concurrent.futures
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# Limits of each search, in seconds and MiB.
TIMEOUT = 900
MEMORY = 1800

# Maximum depth of the depth-first search, in steps.
DEPTH = 3000000

# The quick run leaves out searches with more states; they take half of the time.
QUICK = 1650000

# Searches of "table" with more states than this run faster when built with -O1.
LARGE = 700000

# name: (model, defines, expected number of states, description)
SEARCHES = {
    'two-events':
        ('table', 'SYSTEM MMU=2 FOREVER', 1900000,
         'system memory, two concurrent mm events'),
    'two-moves':
        ('table', 'EXPORTERS=2 FOREVER', 1100000,
         'two concurrent moves by exporters'),
    'event-and-move':
        ('table', 'MMU=1 EXPORTERS=1 NOMEM FOREVER', 1900000,
         'an mm event and a move; stores without memory'),
    'two-faults':
        ('table', 'SYSTEM MMU=1 FAULTS=2 READERS=1 FOREVER', 1700000,
         'two concurrent faults'),
    'runs':
        ('table', 'MMU=1 EXPORTERS=1 RUNS FOREVER', 600000,
         'entries of two pages, replaced by entries of one page'),
    'two-faults-runs':
        ('table', 'EXPORTERS=1 FAULTS=2 READERS=1 CPUS=1 RUNS FOREVER', 5600000,
         'the same with two faults and one reader'),
    'two-faults-runs-once':
        ('table', 'EXPORTERS=1 FAULTS=2 RUNS ONE_FAULT FOREVER', 1700000,
         'the same with two faults, each once, and two readers'),
    'two-revokers':
        ('table', 'REVOKERS=2 FOREVER', 300000,
         'two revocations of the region or the umem'),
    'event-and-two-revokers':
        ('table', 'MMU=1 REVOKERS=2 READERS=1', 3000000,
         'an mm event and two revocations; actors may stop'),
    'move-and-revoker':
        ('table', 'EXPORTERS=1 REVOKERS=1 READERS=1', 1200000,
         'a move and a revocation; actors may stop'),
    'stop':
        ('table', 'SYSTEM MMU=2 READERS=1', 1200000,
         'two mm events; actors may stop'),
    'any-record':
        ('table', 'SYSTEM MMU=1 MIGRATE FLUSH FOREVER', 320000,
         'readers that use any record, with and without hints'),
    'numbers':
        ('table', 'SYSTEM MMU=2 READERS=1 GHOST FOREVER', 1000000,
         'changes and quiesced, number by number'),
    'writes':
        ('table', 'SYSTEM MMU=2 READERS=1 WRITES FOREVER', 1500000,
         'writes; pages are written back if dirty'),
    'two-writers':
        ('table', 'SYSTEM MMU=1 WRITES FOREVER', 350000,
         'two writers'),

    'revoke':
        ('life', 'REVOKE STAYS', 210000, 'ib_peer_revoke()'),
    'background':
        ('life', 'BACKGROUND', 75000, 'a background fault'),
    'rereg':
        ('life', 'BACKGROUND REREG', 600000,
         'regions claimed for reading, before a rereg'),
    'munmap':
        ('life', 'MMU=1', 1650000, 'munmap(), and exit of the process'),
    'background-and-revoke':
        ('life', 'BACKGROUND REVOKE ONCE', 3800000,
         'a background fault and ib_peer_revoke()'),
    'exported':
        ('life', 'EXPORTED REVOKE MMU=1 ONCE STAYS', 2000000,
         'an exported range of another process: ib_peer_revoke(), munmap(), exit'),
    'unregister':
        ('life', 'UNREGISTER STAYS', 21000, 'the exporter unregisters'),
    'revoke-and-unregister':
        ('life', 'REVOKE UNREGISTER ONCE STAYS', 780000,
         'ib_peer_revoke() while the exporter unregisters'),
    'revoke-and-munmap':
        ('life', 'REVOKE MMU=1 ONCE STAYS', 3200000,
         'ib_peer_revoke(), and munmap() or exit'),
    'unregister-and-munmap':
        ('life', 'UNREGISTER MMU=1 ONCE STAYS', 3400000,
         'the exporter unregisters; munmap() or exit'),
    'pinned-revoke':
        ('life', 'PINNED REVOKE MMU=1 ONCE STAYS', 80000,
         'pinned: ib_peer_revoke(), munmap(), exit'),
    'pinned-unregister':
        ('life', 'PINNED UNREGISTER MMU=1 ONCE STAYS', 140000,
         'pinned: the exporter unregisters; munmap() or exit'),

    'signal': ('wait', 'SIGNAL', 40000, 'the fence alone ends all waits'),
    'dead': ('wait', 'REVOKE', 50000, 'ib_peer_revoke() alone ends all waits'),
    'invalidate':
        ('wait', 'INVALIDATE', 60000, 'ib_peer_invalidate() alone ends all waits'),
    'dereg': ('wait', 'DEREG', 230000, 'deregistration alone ends all waits'),
    'all-three':
        ('wait', 'SIGNAL REVOKE DEREG JOINERS=1 TIMEOUT', 30000,
         'fence, revocation and deregistration; waiters may time out'),
    'signal-and-dereg':
        ('wait', 'SIGNAL DEREG', 1500000,
         'two faults, or one joined fault; the fence and deregistration'),
    'invalidate-and-dereg':
        ('wait', 'INVALIDATE DEREG JOINERS=1 TIMEOUT', 100000,
         'an invalidation and deregistration'),
    'liveness':
        ('wait', 'SIGNAL REVOKE DEREG JOINERS=1 LIVENESS', 420000,
         'each actor ends, checked by a claim'),
    'never':
        ('wait', 'NEVER DEREG', 100000,
         'pages that never become present: deregistration kills the faults'),
    'cancel':
        ('wait', 'NEVER CANCEL', 10000,
         'pages that never become present: the waits are cancelled'),
    'cancel-and-dereg':
        ('wait', 'NEVER CANCEL DEREG', 100000,
         'pages that never become present: both'),
}

# fault: (model, defines, violated property, description)
FAULTS = {
    'CHANGE_AT_END':
        ('table', 'SYSTEM MMU=2 READERS=1 CPUS=1 ACCESS_ONLY', 'no_stale_access',
         'an erase drops its lock, and counts its change only at its end'),
    'WAIT_IF_REMOVED':
        ('table', 'SYSTEM MMU=2 READERS=1 CPUS=1 ACCESS_ONLY', 'no_stale_access',
         'an erase that has removed no entry does not wait'),
    'SECOND_CALLER':
        ('table', 'REVOKERS=2 READERS=1', 'no_stale_access',
         'a second caller of mark_dead returns at once'),
    'ERASED_FOR_STORE':
        ('table', 'EXPORTERS=1 RUNS READERS=1 ACCESS_ONLY', 'no_stale_access',
         'an entry is erased to be stored again, and there is no memory'),
    'ERASED_UNCHANGED':
        ('table', 'EXPORTERS=1 RUNS READERS=1', 'quiesced_is_true',
         'an entry of two pages is erased for a smaller one, without a change'),
    'NO_WAIT':
        ('table', 'SYSTEM MMU=1 READERS=1 ACCESS_ONLY', 'no_stale_access',
         'hints are dropped, but readers are not waited for'),
    'HINTS_KEPT':
        ('table', 'SYSTEM MMU=1 READERS=1 ACCESS_ONLY', 'no_stale_access',
         'readers are waited for, but hints are not dropped'),
    'MMU_SEQ':
        ('table', 'SYSTEM MMU=1 READERS=1', 'no_stale_access',
         'the sequence of the mmu notifier is not compared'),
    'REGION_SEQ':
        ('table', 'EXPORTERS=1 READERS=1', 'no_stale_access',
         'the sequence of the region is not compared'),
    'SEQ_LATE':
        ('table', 'EXPORTERS=1 READERS=1', 'no_stale_access',
         'the sequence of the region is incremented after the erase'),
    'NOMEM_UNCHECKED':
        ('table', 'EXPORTERS=1 NOMEM READERS=1', 'no_stale_access',
         'a result is not checked again after the lock was dropped'),
    'QUIESCED_EARLY':
        ('table', 'SYSTEM MMU=2 READERS=1 CPUS=1 ACCESS_ONLY', 'no_stale_access',
         'quiesced is set before the wait for readers'),
    'QUIESCED_CURRENT':
        ('table', 'SYSTEM MMU=2 READERS=1 CPUS=1', 'quiesced_is_true',
         'quiesced is set to the current changes, not to those seen'),
    'LOOKUP_UNLOCKED':
        ('table', 'SYSTEM MMU=1 READERS=1 ACCESS_ONLY', 'no_stale_access',
         'a reader looks up the entry before it locks'),
    'REVOKED_UNREAD':
        ('table', 'REVOKERS=1 READERS=1 ACCESS_ONLY', 'no_stale_access',
         'a reader does not check whether the umem is revoked'),
    'REVOKE_UNCHANGED':
        ('table', 'REVOKERS=1 READERS=1 ACCESS_ONLY', 'no_stale_access',
         'a umem is revoked without a change'),
    'DEAD_LATE':
        ('table', 'REVOKERS=1 READERS=1', 'no_stale_access',
         'a region is marked dead only after its pages were erased'),
    'NOT_DIRTY':
        ('table', 'SYSTEM MMU=1 WRITES READERS=1', 'no_lost_write',
         'a page that was written is not marked dirty'),
    'DIRTY_LATE':
        ('table', 'SYSTEM MMU=1 WRITES READERS=1 ACCESS_ONLY', 'no_lost_write',
         'a page is marked dirty after the reader has unlocked'),

    'HINTS_KEPT.reuse':
        ('life', 'ACCESS_ONLY', 'no_stale_access',
         'a hint is left when the memory of the umem is reused'),
    'NO_DRAIN.life':
        ('life', 'BACKGROUND', 'no_use_after_free',
         'a umem is freed while a fault is in progress'),
    'PUT_ACTIVE_TWICE':
        ('life', 'REVOKE', 'no_use_after_free',
         'each caller that kills a region drops its active reference, also the second'),
    'REMOVE_PUT':
        ('life', 'BACKGROUND REREG', 'no_use_after_free',
         'a caller that removes a region puts it, although another has removed it'),
    'ADD_DYING':
        ('life', 'UNREGISTER STAYS', 'every_wait_ends',
         'a region is claimed from an exporter that is unregistering'),
    'DETACH_NO_REF':
        ('life', 'UNREGISTER', 'no_use_after_free',
         'unregistration visits a region without a reference to the umem'),
    'CLAIM_LATE':
        ('life', 'MMU=1', 'no_stale_access',
         'a claim is not checked before it is inserted into the tree'),
    'MN_NO_KILL':
        ('life', 'MMU=1', 'every_wait_ends',
         'an event removes regions from the tree, and kills none'),
    'KILL_IN_USE':
        ('life', 'REVOKE', 'release_once',
         'release() is called while the exporter resolves'),
    'NOTIFIER_ACTIVE':
        ('life', 'MMU=1', 'no_use_after_free',
         'a umem is freed while its mmu notifier runs'),

    'KILL_NO_WAKE':
        ('wait', 'DEREG', 'no_lost_wakeup', 'revocation of the umem wakes no waiter'),
    'DEAD_NO_WAKE':
        ('wait', 'REVOKE', 'no_lost_wakeup', 'the end of the region wakes no waiter'),
    'INVALIDATE_NO_WAKE':
        ('wait', 'INVALIDATE', 'no_lost_wakeup', 'an invalidation wakes no waiter'),
    'WAKE_EARLY':
        ('wait', 'DEREG', 'no_lost_wakeup',
         'waiters are woken before the umem is revoked'),
    'NO_CALLBACK':
        ('wait', 'SIGNAL', 'no_lost_wakeup', 'the fence wakes no waiter'),
    'DRAIN_NO_WAKE':
        ('wait', 'DEREG', 'no_lost_wakeup', 'the last fault wakes no waiter'),
    'NO_COMPLETE':
        ('wait', 'SIGNAL', 'every_wait_ends',
         'the end of a fault is not signalled to those that joined it'),
    'NO_COMPLETE.liveness':
        ('wait', 'SIGNAL LIVENESS', 'every_wait_ends',
         'the same, checked by the claim'),
    'CALLBACK_STAYS':
        ('wait', 'SIGNAL DEREG', 'no_use_after_free',
         'a callback is left in the fence'),
    'NO_DRAIN':
        ('wait', 'DEREG TIMEOUT', 'no_use_after_free',
         'deregistration does not wait for faults'),
    'ENDED_EARLY':
        ('wait', 'DEREG TIMEOUT', 'no_use_after_free',
         'a background fault uses the umem after it has ended'),
    'BEGIN_LATE':
        ('wait', 'DEREG TIMEOUT', 'no_use_after_free',
         'a background fault is counted after it was queued'),
    'KILL_FAULTS_EARLY':
        ('wait', 'NEVER DEREG', 'every_wait_ends',
         'faults are killed before the umem is revoked'),
    'CANCEL_MISSED':
        ('wait', 'NEVER CANCEL', 'every_wait_ends',
         'a waiter checks for a cancel before the canceller can see it'),
    'FIND_NO_REF':
        ('wait', 'SIGNAL', 'no_use_after_free',
         'a joiner takes no reference to the fault'),
}

# Messages of Spin about an incomplete search.
INCOMPLETE = re.compile(r'max search depth too small|Search not completed|'
                        r'out of memory|resource|truncated|aborting|'
                        r'Bit statespace|Hash-Compact', re.IGNORECASE)
STORED = re.compile(r'^ *(\S+) states, stored', re.MULTILINE)
VIOLATED = re.compile(r'^pan:\d+: (.*?) \(at depth (\d+)\)', re.MULTILINE)


def call(command, folder, limit):
    """Runs a command and returns its output, which shows if it failed."""
    try:
        return subprocess.run(command, cwd=folder, text=True, timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout
    except subprocess.TimeoutExpired:
        return 'aborting: timeout'
    except OSError as error:
        return f'aborting: {error}'


class Search:
    """A search of a model."""

    def __init__(self, name, spec, fault=None):
        self.name = name
        self.fault = fault
        self.model, defines, expected, self.about = spec
        self.defines = defines.split()
        self.states = 0 if fault else expected
        self.property = expected if fault else None
        if fault:
            self.defines.append('BUG_' + fault)
        self.liveness = 'LIVENESS' in self.defines
        self.output = ''
        self.automaton = ''
        self.seconds = 0

    def label(self):
        if self.fault:
            return f'{self.model}: {self.about}: {self.property} is violated'
        return f'{self.model}: {self.about}'

    def flags(self):
        """Returns compiler flags for a complete search without hashed states."""
        large = self.model == 'table' and self.states > LARGE
        flags = ['-O1' if large else '-O0', '-w', '-DREVERSE',
                 '-DCOLLAPSE', '-DVECTORSZ=512', f'-DMEMLIM={MEMORY}']
        if not self.liveness:
            flags.append('-DSAFETY')
        if self.fault and not self.liveness:
            flags += ['-DBFS', '-UREVERSE']
        return flags

    def command(self):
        if self.fault and not self.liveness:
            return ['./pan', '-w22']
        command = ['./pan', f'-m{DEPTH}', '-w24']
        return command + ['-a'] if self.liveness else command

    def spin(self):
        return ['spin', *('-D' + define for define in self.defines)]

    def generate(self):
        # -o3 keeps each statement a separate step, so that unreached lines are found.
        return self.spin() + ([] if self.fault else ['-o3']) + [
            '-a', self.model + '.pml']

    def run(self, work):
        for file in os.listdir(HERE):
            if file.endswith('.pml'):
                shutil.copy(os.path.join(HERE, file), work)
        started = time.monotonic()
        for command in (self.generate(),
                        ['gcc', *self.flags(), '-o', 'pan', 'pan.c'],
                        self.command()):
            self.output = call(command, work, TIMEOUT)
        if not self.fault:
            self.automaton = call(['./pan', '-d'], work, TIMEOUT)
        self.seconds = time.monotonic() - started
        return self

    def trail(self, work):
        return call(self.spin() + ['-t', '-p', '-g', self.model + '.pml'], work,
                    TIMEOUT)

    def stored(self):
        match = STORED.search(self.output)
        return int(float(match.group(1))) if match else 0

    def violation(self):
        """Returns the violated property, or None, and the depth."""
        match = VIOLATED.search(self.output)
        if not match:
            return None, 0
        text = match.group(1)
        if text.startswith('assertion violated '):
            text = text.split()[-1].strip('()')
        elif text in ('invalid end state', 'acceptance cycle'):
            text = 'every_wait_ends'
        return text, int(match.group(2))

    def defect(self):
        """Returns why the search failed, or None."""
        if self.fault:
            found, _ = self.violation()
            if found != self.property:
                return f'violated property: {found or "none"}'
            return None
        if 'errors: 0' not in self.output:
            return self.violation()[0] or 'Spin failed'
        incomplete = INCOMPLETE.search(self.output)
        if incomplete:
            return incomplete.group(0)
        if 'Full statespace search for:' not in self.output:
            return 'not a full search'
        if not re.search(r'assertion violations\t\+', self.output):
            return 'assertions were not checked'
        wanted = (r'acceptance   cycles \t\+' if self.liveness else
                  r'invalid end states\t\+')
        if not re.search(wanted, self.output):
            return 'end states were not checked'
        return None


def all_searches():
    found = [Search(name, spec) for name, spec in SEARCHES.items()]
    for name, spec in FAULTS.items():
        found.append(Search('BUG_' + name, spec, name.split('.')[0]))
    return found


def run_in_temporary_directory(search):
    with tempfile.TemporaryDirectory() as work:
        return search.run(work)


# ---- coverage of lines ----

SOURCE = re.compile(r'(\w+\.pml):(\d+)')


class Lines:
    """Lines of a model, and the lines that a search has executed."""

    def __init__(self):
        self.present = set()
        self.executed = set()

    def add(self, states, output):
        """Adds the output of "pan -d" and of the search."""
        unreached = set()
        where = None
        for line in output.splitlines():
            if line.startswith('unreached in '):
                where = line.split()[-1]
            elif match := re.match(r'\t\S*?(\w+\.pml):(\d+), state (\d+)', line):
                unreached.add((where, int(match.group(3))))
        for line in states.splitlines():
            if line.startswith('proctype ') or line.startswith('init'):
                where = line.split()[-1]
            match = re.match(r'\tstate +(\d+) -.*? (\S+\.pml):(\d+) => ', line)
            if match:
                at = (os.path.basename(match.group(2)), int(match.group(3)))
                self.present.add(at)
                if (where, int(match.group(1))) not in unreached:
                    self.executed.add(at)

    def missing(self):
        return sorted(self.present - self.executed)


# ---- output ----

class Tap:
    """Prints test cases as TAP."""

    def __init__(self):
        self.points = 0
        self.failures = 0

    def point(self, name, defect, text=''):
        self.points += 1
        self.failures += bool(defect)
        print(f"{'not ok' if defect else 'ok'} {self.points} - {name}")
        if defect:
            print('#', defect)
            for line in text.splitlines():
                print('#', line)
        sys.stdout.flush()


def print_counts(search):
    """Prints the counts of a search as a comment."""
    if search.fault:
        print(f'# {search.name}: depth {search.violation()[1]}, '
              f'{search.stored()} states, {search.seconds:.1f} s')
    else:
        print(f'# {search.name}: {search.stored()} states, '
              f'{search.seconds:.1f} s')


def run_all(limit):
    tap = Tap()
    lines = {}
    searches = [search for search in all_searches() if search.states <= limit]
    # Large searches first, so that all processors stay busy until the end.
    searches.sort(key=lambda search: -search.states)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for search in pool.map(run_in_temporary_directory, searches):
            print_counts(search)
            tap.point(search.label(), search.defect(), search.output[-3000:])
            # With a claim Spin numbers lines differently.
            if not search.fault and not search.liveness:
                seen = lines.setdefault(search.model, Lines())
                seen.add(search.automaton, search.output)
    for model, seen in lines.items():
        missing = ' '.join(f'{file}:{line}' for file, line in seen.missing())
        tap.point(f'{model}: each line is executed by a search',
                  missing and 'never executed: ' + missing)
    stored = sum(search.stored() for search in searches if not search.fault)
    print(f'# {stored} states in all')
    print(f'1..{tap.points}')
    return 1 if tap.failures else 0


def run_one(name):
    for search in all_searches():
        if search.name == name:
            with tempfile.TemporaryDirectory() as work:
                print(search.run(work).output)
                if search.violation()[0]:
                    print(search.trail(work))
            return 0
    print(f'no such search: {name}', file=sys.stderr)
    return 2


def main():
    parser = argparse.ArgumentParser()
    modes = parser.add_subparsers(dest='mode')
    modes.add_parser('list')
    modes.add_parser('quick')
    modes.add_parser('one').add_argument('name')
    args = parser.parse_args()
    if args.mode == 'list':
        for search in all_searches():
            print(f'{search.name:24} {search.label()}')
        return 0
    if args.mode == 'one':
        return run_one(args.name)
    return run_all(QUICK if args.mode == 'quick' else math.inf)


if __name__ == '__main__':
    sys.exit(main())
