#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of the kernel of a kernel configuration: it has all requested options, and
# what it detects makes a run fail.
#
# usage: config_test.py VM CONFIG PROVOKE
#   VM       tests/vm/vm.sh
#   CONFIG   debug or kcsan
#   PROVOKE  provoke.ko, which provokes a leak or a data race in the guest

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from points import Tap  # noqa: E402

VM, CONFIG, PROVOKE = sys.argv[1:]

KERNEL = 123    # exit status of vm.sh: kernel warnings

# What to provoke, and the words that the report must contain.
PROVOKED = {'debug': ('leak', 'kmemleak found', 'provoke_leak'),
            'kcsan': ('race', 'BUG: KCSAN: data-race', 'provoke_race')}


def missing_options(options):
    """Returns the lines of the option files that the kernel does not have. Options of
    older.config may not exist."""
    have = dict(line.split('=', 1) for line in options.splitlines()
                if line.startswith('CONFIG_'))
    missing = []
    for name in 'machine', CONFIG, 'older':
        with open(f'{HERE}/{name}.config', encoding='ascii') as fragment:
            for line in fragment.read().splitlines():
                if line.startswith('CONFIG_'):
                    option, value = line.split('=', 1)
                    exists = name != 'older' or option in options
                    if exists and have.get(option) != value:
                        missing.append(line)
                elif line.startswith('# CONFIG_') and line.split()[1] in have:
                    missing.append(line)
    return missing


tap = Tap()
what, headline, function = PROVOKED[CONFIG]
done = subprocess.run(
    [VM, '--timeout', '500', '--', 'bash', '-c',
     'zcat /proc/config.gz; grep -s debug_locks: /proc/lockdep_stats;'
     f'insmod {PROVOKE} what={what}'],
    text=True, errors='replace', capture_output=True, check=False)

tap.equal('kernel has all requested options', missing_options(done.stdout), [])
if CONFIG == 'debug':
    # lockdep disables itself at its first report.
    tap.point('lockdep is enabled',
              done.stdout.rstrip().endswith(' 1'), done.stdout[-200:])
tap.equal(f'a {what} is a failure', done.returncode, KERNEL, done.stderr)
tap.point(f'report of the {what} is printed', headline in done.stderr and
          function in done.stderr, done.stderr)
tap.done()
