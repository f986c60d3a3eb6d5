#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the tests of rdma-core's Python bindings on rxe0, and those of GPU memory on
# an emulated GPU (gpu/cuda). Writes the result of each test as JSON:
# {"test_mr.MRTest.test_x": ["passed", ""], ...}
#
# Each test has a process of its own. A test that fails leaves objects behind, and with
# Python 3.13 the bindings of rdma-core 56 crash when these are collected later.
#
# usage: suite.py DIRECTORY RESULTS

import json
import os
import sys
import time
import unittest
from importlib.machinery import SourceFileLoader

HERE = os.path.dirname(os.path.abspath(__file__))


class Results(unittest.TestResult):
    """Records the outcomes of tests, by name. There are several if there are subtests."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def note(self, test, outcome, text=''):
        name = name_of(test)
        # The first failure of a test, a subtest or tearDown() is final.
        if self.outcomes.get(name, ('',))[0] not in ('failed', 'error'):
            self.outcomes[name] = (outcome, text)

    def addSuccess(self, test):
        self.note(test, 'passed')

    def addSkip(self, test, reason):
        self.note(test, 'skipped', reason)

    def addFailure(self, test, err):
        self.note(test, 'failed', self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.note(test, 'error', self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err:
            self.addFailure(test, err)


def name_of(test):
    return test.id().removeprefix('tests.')


def all_tests(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from all_tests(part)
        else:
            yield part


def run_and_exit(test, pipe):
    results = Results()
    test.run(results)
    with os.fdopen(pipe, 'w', encoding='utf-8') as out:
        json.dump(results.outcomes, out)
    # Without the destructors of what is left.
    os._exit(0)


def outcomes_of(test):
    """Runs a test in a process. If that crashes, this is the outcome."""
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(here)
        run_and_exit(test, there)
    os.close(there)
    with os.fdopen(here, encoding='utf-8') as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        return {name_of(test): ('crashed', f'exit status {status}')}
    return json.loads(text)


def run_all(tests):
    outcomes = {}
    shown = time.monotonic()
    for test in tests:
        outcomes.update(outcomes_of(test))
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f'# {len(outcomes)} tests done', flush=True)
    return outcomes


def main():
    directory, results_path = sys.argv[1:]
    sys.path[0:0] = [directory, os.path.join(HERE, 'gpu')]
    sys.argv[1:] = ['--dev', 'rxe0', '--gid', '1', '--gpu', '0']
    args_parser = __import__('args_parser')
    tests = SourceFileLoader(
        'tests', os.path.join(directory, '__init__.py')).load_module()
    args_parser.parser.parse_args()
    outcomes = run_all(all_tests(
        unittest.defaultTestLoader.loadTestsFromModule(tests)))
    with open(results_path, 'w', encoding='utf-8') as out:
        json.dump(outcomes, out)


main()
