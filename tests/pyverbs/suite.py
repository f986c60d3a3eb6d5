#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the tests of rdma-core's Python bindings on rxe0, and those of GPU memory on
# an emulated GPU (gpu/cuda). Writes the result of each test as JSON:
# {"test_mr.MRTest.test_x": ["passed", ""], ...}
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
    def __init__(self):
        super().__init__()
        self.outcomes = {}
        self.last_shown = time.monotonic()

    def note(self, test, outcome, text=''):
        name = test.id().removeprefix('tests.')
        # The first failure of a test, a subtest or tearDown() is final.
        if self.outcomes.get(name, ('',))[0] in ('failed', 'error'):
            return
        self.outcomes[name] = (outcome, text)
        if time.monotonic() - self.last_shown > 10:
            self.last_shown = time.monotonic()
            print(f'# {len(self.outcomes)} tests done', flush=True)

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


def main():
    directory, results_path = sys.argv[1:]
    sys.path[0:0] = [directory, os.path.join(HERE, 'gpu')]
    sys.argv[1:] = ['--dev', 'rxe0', '--gid', '1', '--gpu', '0']
    args_parser = __import__('args_parser')
    tests = SourceFileLoader(
        'tests', os.path.join(directory, '__init__.py')).load_module()
    args_parser.parser.parse_args()
    results = Results()
    unittest.defaultTestLoader.loadTestsFromModule(tests).run(results)
    with open(results_path, 'w', encoding='utf-8') as out:
        json.dump(results.outcomes, out)


main()
