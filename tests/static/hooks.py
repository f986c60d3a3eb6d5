#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The patches to the distribution's rxe (kernel/rxe/hooks) stay small, and exactly one
# applies to the rxe of the kernel that is built for, in the only place where it can.
#
# usage: hooks.py LINUX, the folder that extract-source.sh filled

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..'))

from points import Tap  # noqa: E402

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HOOKS = os.path.join(PROJECT, 'kernel/rxe/hooks')
LAY_OUT = os.path.join(PROJECT, 'cmake/lay-out.sh')
RXE = 'drivers/infiniband/sw/rxe'
LINUX = sys.argv[1]

MAX_ADDED = 100
CONTEXT = 3

tap = Tap()


class Hunk:
    """A hunk: the file, the line where it starts, and its lines."""

    def __init__(self, file, start):
        self.file = file
        self.start = start
        self.lines = []

    def __str__(self):
        return f'{self.file}:{self.start}'

    @property
    def expected(self):
        """Returns the text that the hunk replaces."""
        return ''.join(line[1:] for line in self.lines if line[0] != '+')

    @property
    def added(self):
        return sum(line[0] == '+' for line in self.lines)

    @property
    def context(self):
        """Returns how many lines of context are before and behind the change."""
        changed = [i for i, line in enumerate(self.lines) if line[0] != ' ']
        return changed[0], len(self.lines) - 1 - changed[-1]


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def hunks_of(patch):
    found = []
    file = ''
    left = [0, 0]
    for line in read(patch).splitlines(keepends=True):
        if any(left):
            found[-1].lines.append(line)
            left[0] -= line[0] != '+'
            left[1] -= line[0] != '-'
        elif line.startswith('+++ b/'):
            file = line[6:].strip()
        elif line.startswith('@@ '):
            numbers = re.match(r'@@ -(\d+),(\d+) \+\d+,(\d+) @@', line)
            found.append(Hunk(file, int(numbers[1])))
            left = [int(numbers[2]), int(numbers[3])]
    return found


def apply(patch, rxe, *options):
    """Returns the output of patch(1) if it fails, or an empty string."""
    with open(patch, encoding='utf-8') as text:
        done = subprocess.run(['patch', '-s', '-f', '-F0', '-p1', '-d', rxe,
                               *options], stdin=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout or 'failed' if done.returncode else ''


def check_form(patch):
    hunks = hunks_of(patch)
    name = os.path.basename(patch)
    added = sum(hunk.added for hunk in hunks)
    tap.point(f'{name}: adds at most {MAX_ADDED} lines', 0 < added <= MAX_ADDED,
              f'it adds {added}')
    small = [f'{hunk} has {hunk.context}' for hunk in hunks
             if min(hunk.context) < CONTEXT]
    tap.point(f'{name}: has {CONTEXT} lines of context', not small, *small)


def check_places(patch, rxe):
    """Text that occurs once cannot be found in another place, at any offset."""
    wrong = []
    for hunk in hunks_of(patch):
        text = read(os.path.join(rxe, hunk.file))
        count = ('\n' + text).count('\n' + hunk.expected)
        if count != 1:
            wrong.append(f'{hunk} fits in {count} places')
    tap.point('each hunk fits in one place', not wrong, *wrong)


def check_on_demand(rxe):
    """The functions of rxe_odp.c use mr->umem, which the MRs of ours have not."""
    wrong = []
    for path in sorted(glob.glob(os.path.join(rxe, '*.c'))):
        name = os.path.basename(path)
        text = read(path)
        if name != 'rxe_odp.c' and 'rxe_odp_mr_init_user(' in text:
            wrong.append(f'{name} creates on-demand MRs of rxe_odp.c')
        for function in re.findall(r'\.advise_mr\s*=\s*(\w+)', text):
            if function != 'rxe_peer_advise_mr':
                wrong.append(f'{name} sets advise_mr to {function}')
    tap.point('on-demand MRs are ours', not wrong, *wrong)


def lay_out(work, rxe, patches):
    """Runs lay-out.sh with these patches. Returns its status and its messages."""
    source, linux, tree = (os.path.join(work, name)
                           for name in ('source', 'linux', 'tree'))
    for folder in source, linux, tree:
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(source, 'rxe/hooks'))
    for name, patch in patches.items():
        shutil.copy(patch, os.path.join(source, 'rxe/hooks', name))
    shutil.copytree(rxe, os.path.join(linux, RXE))
    done = subprocess.run([LAY_OUT, '--linux', linux, source, tree, 'rxe'],
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout, os.path.join(tree, 'rxe')


def check_lay_out(work, fitting, rxe, patched):
    status, output, tree = lay_out(work, rxe, {'1.patch': fitting})
    same = not status and all(
        read(path) == read(os.path.join(tree, os.path.basename(path)))
        for path in glob.glob(os.path.join(patched, '*.[ch]')))
    tap.point('lay-out.sh applies the patch that fits', same, output)

    status, output, _ = lay_out(work, patched, {'1.1.patch': fitting,
                                                '2.patch': fitting})
    tap.point('lay-out.sh: no patch fits',
              status and 'Linux 1.1, 2.' in output and 'PEERMEM_KERNEL' in output,
              output)
    status, output, _ = lay_out(work, rxe, {'1.1.patch': fitting,
                                            '2.patch': fitting})
    tap.point('lay-out.sh: several patches fit',
              status and '1.1.patch' in output and '2.patch' in output, output)


def main():
    patches = sorted(glob.glob(os.path.join(HOOKS, '*.patch')))
    for patch in patches:
        check_form(patch)
    rxe = os.path.join(LINUX, RXE)
    results = {patch: apply(patch, rxe, '--dry-run') for patch in patches}
    fitting = [patch for patch in patches if not results[patch]]
    if tap.point('one patch fits the kernel', len(fitting) == 1, *results.values()):
        check_places(fitting[0], rxe)
        with tempfile.TemporaryDirectory() as work:
            patched = os.path.join(work, 'patched')
            shutil.copytree(rxe, patched)
            apply(fitting[0], patched)
            check_on_demand(patched)
            check_lay_out(work, fitting[0], rxe, patched)
    tap.done()


main()
