#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Each file of a kernel module has a test that fails if it is broken: files.txt is the
# table. Checks that the table is complete and that its tests exist.
#
# usage: files.py BUILD, the build folder of the tests

import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..'))

from points import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
BUILD = sys.argv[1]
# Groups of other kernels than this build's have no list here.
ELSEWHERE = {'cmb_pool_test'}


def rows():
    with open(os.path.join(HERE, 'files.txt'), encoding='utf-8') as lines:
        for line in lines:
            if line.strip() and line[0] != '#':
                yield line.split(None, 3)


def content(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def runs(group, program):
    """Does the group run the program?"""
    path = os.path.join(BUILD, 'tests', group + '.list')
    return os.path.exists(path) and re.search(
        rf'/{re.escape(program)}(\.\w+)?(\s|$)', content(path), re.MULTILINE)


def has_test(program, test):
    """Is there such a test in a source of the program's name?"""
    name = re.sub(r'^(cmb|security)_', '', program)
    sources = (glob.glob(f'{PROJECT}/tests/*/{name}.*') +
               glob.glob(f'{PROJECT}/tests/*/{program}.*'))
    fixture, _, last = test.strip().rpartition('.')
    in_c = (rf'^TEST_F(_TIMEOUT)?\({fixture}, {last}[,)]' if fixture
            else rf'^TEST(_TIMEOUT)?\({re.escape(last)}\)')
    for source in sources:
        wanted = in_c if source.endswith('.c') else re.escape(test.strip())
        if re.search(wanted, content(source), re.MULTILINE):
            return True
    return False


tap = Tap()
table = list(rows())
files = [row[0] for row in table]
# The probes of kernel/compat are not part of a module; see the test compat.
there = [os.path.relpath(path, PROJECT)
         for path in glob.glob(os.path.join(PROJECT, 'kernel/*/**/*.c'),
                               recursive=True)
         if '/compat/probes/' not in path]
tap.equal('each file has a row', sorted(set(there) - set(files)), [])
tap.equal('no row without a file', sorted(set(files) - set(there)), [])
tap.equal('one row for each file', len(files), len(set(files)))
for path, group, program, test in table:
    tap.point(f'{path}: {group} runs {program}',
              program in ELSEWHERE or runs(group, program))
    tap.point(f'{path}: {program} has {test.strip()}', has_test(program, test))
tap.done()
