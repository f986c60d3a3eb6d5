#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# System memory behaves the same with the extended rxe and the overlay provider as
# with those of the distribution: each test of rdma-core's Python bindings has the
# same result. Tests of new features (on-demand paging, reregistration, dma-bufs of
# "GPU" memory) are skipped with the stock rxe and pass with the extended one. Runs
# in the guest, both in the same boot.
#
# usage: compare.py DIRECTORY, the output of prepare.sh

import json
import os
import subprocess
import sys
import tempfile
from fnmatch import fnmatch

HERE = os.path.dirname(os.path.abspath(__file__))
RXE = os.path.join(HERE, '../../vm/guest/rxe.sh')

# Tests whose result depends on timing, with the stock rxe, too. They are printed,
# but not compared.
FLAKY = {'test_cq.CQTest.test_resize_cq'}

# Tests of features of the extended rxe, and how many must pass. The stock rxe has some of
# them from Linux 6.16 on: on-demand MRs, without prefetching.
NEW = (('test_odp.OdpTestCase.', 10), ('test_odp.OdpTestCase.*prefetch', 6),
       ('test_mr.MRTest.test_mr_rereg_', 3),
       ('test_cuda_dmabuf.DmabufCudaTest.', 1))

# If fewer tests pass, the suite did not run properly.
LEAST_PASSED = 80


def run_suite(which, directory, work):
    path = os.path.join(work, which)
    print(f'# running the suite on the {which} rxe', flush=True)
    subprocess.run([RXE, which], check=True)
    with open('/sys/module/rdma_rxe/taint', encoding='ascii') as taint:
        # "O": the module was built out of tree.
        if ('O' in taint.read()) != (which == 'extended'):
            sys.exit(f'the loaded module is not the {which} rxe')
    # This selects the stock provider instead of the guest's default.
    environment = {'RDMAV_DRIVERS': 'rxe'} if which == 'stock' else {}
    subprocess.run([sys.executable, os.path.join(HERE, 'suite.py'), directory,
                    path], check=True, env={**os.environ, **environment})
    with open(path, encoding='utf-8') as results:
        return json.load(results)


def main():
    with tempfile.TemporaryDirectory() as work:
        stock = run_suite('stock', sys.argv[1], work)
        ours = run_suite('extended', sys.argv[1], work)
    points = failures = 0

    def point(name, good, *texts):
        nonlocal points, failures
        points += 1
        failures += not good
        print(f"{'ok' if good else 'not ok'} {points} - {name}")
        for text in texts if not good else ():
            for line in str(text).splitlines():
                print('#', line)

    def count(results, outcome):
        return sum(1 for got in results.values() if got[0] == outcome)

    for which, results in (('stock', stock), ('extended', ours)):
        print(f'# {which}: {len(results)} tests,',
              ', '.join(f'{count(results, outcome)} {outcome}' for outcome in
                        ('passed', 'failed', 'error', 'crashed', 'skipped')))
    point(f'at least {LEAST_PASSED} tests pass on the stock rxe',
          count(stock, 'passed') >= LEAST_PASSED)
    point('both runs have the same tests', set(stock) == set(ours),
          set(stock) ^ set(ours))
    skipped = {name for name in stock if stock[name][0] == 'skipped'}
    now_run = {name for name in skipped
               if ours.get(name, ['missing'])[0] != 'skipped'}
    strange = {name for name in now_run
               if not any(fnmatch(name, kind + '*') for kind, _ in NEW)}
    point('both runs skip the same tests, except new features', not strange,
          *sorted(strange))
    for kind, least in NEW:
        passed = [name for name, got in ours.items() if fnmatch(name, kind + '*')
                  and got[0] == 'passed']
        point(f'at least {least} tests {kind} pass',
              len(passed) >= least, *sorted(passed))
    for name in sorted(now_run - strange):
        got, text = ours[name]
        point(f'{name} (new, passed)', got == 'passed', got, text)
    for name in sorted(set(stock) - skipped):
        want, (got, text) = stock[name][0], ours.get(name, ('missing', ''))
        if name in FLAKY:
            print(f'# not compared: {name}: stock {want}, extended {got}')
            continue
        point(f'{name} ({want})', got == want, f'extended: {got}', text,
              f'stock: {want}', stock[name][1])
    print(f'1..{points}')
    return 1 if failures else 0


sys.exit(main())
