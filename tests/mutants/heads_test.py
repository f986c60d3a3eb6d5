#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks that each mutant (tests/mutants/*.patch) applies to the tree, has a valid head,
# and names tests that exist.
#
# usage: heads_test.py BUILD LINUX
#   BUILD  the build directory, with the tests built
#   LINUX  the directory that extract-source.sh has filled

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
HOOKS = 'kernel/rxe/hooks/'

# Invalid heads, and a part of the error message for each.
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
    ('field Mutant is missing', HEAD.replace('Mutant: x\n', '') + DIFF),
    ('unknown or duplicate field', HEAD + 'Kernel: plain\n' + DIFF),
    ('unknown or duplicate field', HEAD + 'Notes: x\n' + DIFF),
    ('needs either Killed-by or Equivalent', HEAD + 'Equivalent: x\n' + DIFF),
    ('needs a group and a program', HEAD.replace(' life_test', '') + DIFF),
    ('Kernel is none of', HEAD.replace('plain', 'kcsan') + DIFF),
    ('Evidence is none of', HEAD + 'Evidence: smoke\n' + DIFF),
    ('lines changed', HEAD + DIFF.replace('+b', '+b\n' * 20)),
    ('in no directory that mutants may change', HEAD + DIFF.replace('kernel/core', 'perf')),
]

tap = Tap()


def check_wrong(work):
    path = os.path.join(work, 'wrong.patch')
    for want, text in WRONG:
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)
        try:
            Mutant(path)
            message = 'no error'
        except Malformed as defect:
            message = str(defect)
        tap.point(f'invalid head: {want}', want in message, message)


def apply(path, folder, *options):
    """Returns the output of patch(1) if it fails, or an empty string."""
    done = subprocess.run(['patch', '-p1', '-s', '-f', '-d', folder, '-i', path,
                           *options], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.stdout if done.returncode else ''


def misfit(mutant, work):
    """Returns why the patch does not apply, or an empty string."""
    tree = os.path.join(work, 'tree')
    shutil.rmtree(tree, ignore_errors=True)
    for file in mutant.files:
        original = os.path.join(PROJECT, file)
        if not os.path.exists(original):
            return f'{file} does not exist'
        os.makedirs(os.path.dirname(os.path.join(tree, file)), exist_ok=True)
        shutil.copy(original, os.path.join(tree, file))
    output = apply(mutant.path, tree, '-F0')
    hooks = [file for file in mutant.files if file.startswith(HOOKS)]
    if output or not hooks:
        return output
    # A patch of hooks is for one kernel. The mutant needs the one for this kernel.
    for file in hooks:
        if not apply_to_rxe(os.path.join(PROJECT, file), work):
            return apply_to_rxe(os.path.join(tree, file), work)
    return 'changes the hooks of other kernels only'


def apply_to_rxe(hooks, work):
    """Returns the output of patch(1) if hooks do not apply, or an empty string."""
    rxe = os.path.join(work, 'rxe')
    shutil.rmtree(rxe, ignore_errors=True)
    shutil.copytree(os.path.join(LINUX, 'drivers/infiniband/sw/rxe'), rxe)
    return apply(hooks, rxe, '-F0')


def tests_of(program):
    """Yields FIXTURE, VARIANT, TEST of each test case that the harness lists."""
    done = subprocess.run([program, '-l'], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    fixture, variants, tests = '', [], []
    # Columns of 20 and 25 characters, each followed by a blank.
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
    """Returns the part of Killed-by that does not exist, or an empty string."""
    command = mutant.command(BUILD)
    if not command:
        # The group exists on other kernels only.
        if mutant.kernel == 'plain':
            return f'group {mutant.test[0]} does not run {mutant.test[1]}'
        return ('' if source_of(mutant.test[1]) else
                f'{mutant.test[1]} does not exist')
    program = command[len(command) - len(mutant.filters) - 1]
    if not os.path.exists(program):
        return f'{program} is not built'
    words = mutant.filters
    if not words:
        return ''
    existing = list(tests_of(program))
    for option, value in zip(words[::2], words[1::2]):
        if not any(matches(option, value, test) for test in existing):
            return f'{mutant.test[1]} has no test {value}'
    return ''


def source_of(program):
    """Returns True if a test directory has the source of this program. The name
    of a program may start with that of its directory."""
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
            defect = misfit(mutant, work)
            if not defect and not mutant.equivalent:
                defect = unknown_test(mutant)
            tap.point(mutant.name, not defect, defect)
    tap.done()


main()
