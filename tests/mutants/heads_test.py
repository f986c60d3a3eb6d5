#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Every mutant (tests/mutants/*.patch) still fits the tree, has a well-formed head,
# and names tests that there are.
#
# usage: heads_test.py BUILD LINUX
#   BUILD  the build folder, with the tests built
#   LINUX  the folder that extract-source.sh filled

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..'))

from mutant import Malformed, Mutant, PROJECT, paths  # noqa: E402
from points import Tap  # noqa: E402

BUILD, LINUX = sys.argv[1:]
HOOKS = 'kernel/rxe/hooks.patch'

# Heads that are wrong, and what is said of them.
HEAD = """SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB

Mutant: x
Killed-by: verbs life_test
Kernel: plain
"""
DIFF = """
--- a/kernel/core/x.c
+++ b/kernel/core/x.c
@@ -1 +1 @@
-a
+b
"""
WRONG = [
    ('no diff', HEAD),
    ('no field Mutant', HEAD.replace('Mutant: x\n', '') + DIFF),
    ('no field, or the second of its name', HEAD + 'Kernel: plain\n' + DIFF),
    ('no field, or the second of its name', HEAD + 'Notes: x\n' + DIFF),
    ('one of Killed-by and Equivalent', HEAD + 'Equivalent: x\n' + DIFF),
    ('needs a group and a program', HEAD.replace(' life_test', '') + DIFF),
    ('Kernel is one of', HEAD.replace('plain', 'kcsan') + DIFF),
    ('Evidence is of', HEAD + 'Evidence: smoke\n' + DIFF),
    ('lines changed', HEAD + DIFF.replace('+b', '+b\n' * 20)),
    ('nothing that can be changed', HEAD + DIFF.replace('kernel/core', 'perf')),
]

tap = Tap()


def check_wrong(work):
    path = os.path.join(work, 'wrong.patch')
    for want, text in WRONG:
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)
        try:
            Mutant(path)
            said = 'nothing'
        except Malformed as defect:
            said = str(defect)
        tap.point(f'a wrong head: {want}', want in said, said)


def apply(path, folder, *options):
    """Returns what patch(1) says if it does not fit."""
    done = subprocess.run(['patch', '-p1', '-s', '-f', '-d', folder, '-i', path,
                           *options], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.stdout if done.returncode else ''


def misfit(mutant, work):
    """Returns why the patch does not fit the tree, or an empty string."""
    tree = os.path.join(work, 'tree')
    shutil.rmtree(tree, ignore_errors=True)
    for file in mutant.files:
        original = os.path.join(PROJECT, file)
        if not os.path.exists(original):
            return f'there is no {file}'
        os.makedirs(os.path.dirname(os.path.join(tree, file)), exist_ok=True)
        shutil.copy(original, os.path.join(tree, file))
    said = apply(mutant.path, tree, '-F0')
    if said or HOOKS not in mutant.files:
        return said
    rxe = os.path.join(tree, 'rxe')
    shutil.copytree(os.path.join(LINUX, 'drivers/infiniband/sw/rxe'), rxe)
    return apply(os.path.join(tree, HOOKS), rxe)


def tests_of(program):
    """Yields FIXTURE, VARIANT, TEST as the harness lists them."""
    done = subprocess.run([program, '-l'], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    fixture, variants, tests = '', [], []
    # Columns of 20 and 25 characters, each with a blank behind it.
    for line in done.stdout.splitlines()[1:] + ['-']:
        if line.startswith('-'):
            for test in tests:
                for variant in variants or ['']:
                    yield fixture, variant, test
            fixture, variants, tests = '', [], []
            continue
        words = re.match(r'(.{20}\S*) (.{25}\S*) (.*)', line)
        if not words:
            continue
        name, variant, test = (word.strip() for word in words.groups())
        fixture = fixture or name
        variants += [variant] if variant else []
        tests += [test] if test else []


def matches(option, value, test):
    fixture, variant, name = test
    full = '.'.join(word for word in test if word)
    return value == {'-f': fixture, '-v': variant, '-t': name,
                     '-r': full}.get(option)


def unknown_test(mutant):
    """Returns what of Killed-by is not there, or an empty string."""
    command = mutant.command(BUILD)
    if not command:
        # Of a group that other kernels only have.
        if mutant.kernel == 'plain':
            return f'group {mutant.test[0]} runs no {mutant.test[1]}'
        return '' if source_of(mutant.test[1]) else f'no {mutant.test[1]}'
    program = command[len(command) - len(mutant.filters) - 1]
    if not os.path.exists(program):
        return f'{program} is not built'
    words = mutant.filters
    if not words:
        return ''
    there = list(tests_of(program))
    for option, value in zip(words[::2], words[1::2]):
        if not any(matches(option, value, test) for test in there):
            return f'{mutant.test[1]} has no {value}'
    return ''


def source_of(program):
    """A program's name may begin with that of its folder."""
    for folder in os.listdir(os.path.join(PROJECT, 'tests')):
        name = program.removeprefix(folder + '_')
        if os.path.exists(os.path.join(PROJECT, 'tests', folder, name + '.c')):
            return True
    return False


def main():
    with tempfile.TemporaryDirectory() as work:
        check_wrong(work)
        for path in paths():
            try:
                mutant = Mutant(path)
            except Malformed as defect:
                tap.point(os.path.basename(path), False, str(defect))
                continue
            said = misfit(mutant, work)
            if not said and not mutant.equivalent:
                said = unknown_test(mutant)
            tap.point(mutant.name, not said, said)
    tap.done()


main()
