#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of a lane's kernel: it has what was asked for, and what it is there to
# find comes out as a failure of the run.
#
# usage: lane_test.py VM LANE PROVOKE
#   VM       tests/vm/vm.sh
#   LANE     debug or kcsan
#   PROVOKE  provoke.ko, which makes the guest's kernel misbehave

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from points import Tap  # noqa: E402

VM, LANE, PROVOKE = sys.argv[1:]

KERNEL = 123    # vm.sh's own exit status

# What to provoke, and the words of the report that must be shown.
PROVOKED = {'debug': ('leak', 'kmemleak found', 'provoke_leak'),
            'kcsan': ('race', 'BUG: KCSAN: data-race', 'provoke_race')}


def missing_options(options):
    """The lines of the lane's fragments that do not hold."""
    have = dict(line.split('=', 1) for line in options.splitlines()
                if line.startswith('CONFIG_'))
    missing = []
    for name in 'machine', LANE:
        with open(f'{HERE}/{name}.config', encoding='ascii') as fragment:
            for line in fragment.read().splitlines():
                if line.startswith('CONFIG_'):
                    option, value = line.split('=', 1)
                    if have.get(option) != value:
                        missing.append(line)
                elif line.startswith('# CONFIG_') and line.split()[1] in have:
                    missing.append(line)
    return missing


tap = Tap()
what, headline, function = PROVOKED[LANE]
done = subprocess.run(
    [VM, '--timeout', '500', '--', 'bash', '-c',
     'zcat /proc/config.gz; grep -s debug_locks: /proc/lockdep_stats;'
     f'insmod {PROVOKE} what={what}'],
    text=True, errors='replace', capture_output=True, check=False)

tap.equal('every option asked for is there', missing_options(done.stdout), [])
if LANE == 'debug':
    # Lockdep switches itself off at its first report.
    tap.point('lockdep is at work',
              done.stdout.rstrip().endswith(' 1'), done.stdout[-200:])
tap.equal(f'a {what} is a failure', done.returncode, KERNEL, done.stderr)
tap.point('and it is named', headline in done.stderr and
          function in done.stderr, done.stderr)
tap.done()
