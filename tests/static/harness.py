#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# tests/tap.py takes nothing for a success that is not one.

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

TAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../tap.py')

# name, a program's output and end, how many (passed, failed, skipped)
PROGRAMS = [
    ('two points', 'echo 1..2; echo ok 1 - a; echo ok 2 - b', (2, 0, 0)),
    ('the plan at the end', 'echo ok 1 - a; echo 1..1', (1, 0, 0)),
    ('a failure', 'echo 1..2; echo ok 1; echo not ok 2 - b; exit 1',
     (1, 1, 0)),
    ('a failure and exit status 0', 'echo 1..1; echo not ok 1', (0, 1, 0)),
    ('a skipped point', 'echo 1..2; echo "ok 1 - a # SKIP no such device"; '
     'echo ok 2', (1, 0, 1)),
    ('a point that does not apply', 'echo 1..2; echo "ok 1 - a # SKIP n/a: no"; '
     'echo "ok 2 - b"', (1, 0, 0)),
    ('no point applies', 'echo 1..1; echo "ok 1 - a # SKIP n/a: no"', (0, 1, 0)),
    ('a failure with a skip reason', 'echo 1..1; echo "not ok 1 # SKIP x"',
     (0, 1, 0)),
    ('all skipped', 'echo "1..0 # SKIP nothing to test"; exit 4', (0, 0, 1)),
    ('kselftest', 'echo TAP version 13; echo 1..1; echo "#  RUN x"; '
     'echo "ok 1 x.y # SKIP why"; exit 0', (0, 0, 1)),
    ('all skipped for no reason', 'echo "1..0 # SKIP"; exit 4', (0, 1, 0)),
    ('all skipped, and exit status 0', 'echo "1..0 # SKIP nothing to test"',
     (0, 1, 0)),
    ('a filter that matches nothing', 'echo TAP version 13; echo 1..0', (0, 1, 0)),
    ('a second plan', 'echo 1..1; echo ok 1; echo 1..1', (1, 1, 0)),
    ('two programs in one', 'echo 1..1; echo ok 1; echo 1..1; echo ok 1',
     (2, 1, 0)),
    ('a wrong number', 'echo 1..2; echo ok 1; echo ok 3', (2, 1, 0)),
    ('a number that comes twice', 'echo 1..2; echo ok 1; echo ok 1', (2, 1, 0)),
    ('points without numbers', 'echo 1..2; echo ok - a; echo ok - b', (2, 0, 0)),
    ('no output', 'true', (0, 1, 0)),
    ('no plan', 'echo ok 1', (1, 1, 0)),
    ('a point too few', 'echo 1..3; echo ok 1; echo ok 2', (2, 1, 0)),
    ('a point too many', 'echo 1..1; echo ok 1; echo ok 2', (2, 1, 0)),
    ('a bad exit status', 'echo 1..1; echo ok 1; exit 3', (1, 1, 0)),
    ('killed', 'echo 1..2; echo ok 1; kill -9 $$', (1, 1, 0)),
    ('giving up', 'echo 1..1; echo ok 1; echo "Bail out! no"', (1, 1, 0)),
    ('too long', 'echo 1..1; echo ok 1; sleep 100', (1, 1, 0)),
    ('a program that is not there', './no-such-program', (0, 1, 0)),
]

# exit status of the machine, how many of its one point
MACHINES = [(0, (2, 0, 0)), (123, (1, 1, 0)), (124, (1, 1, 0)),
            (125, (1, 1, 0)), (77, (2, 1, 0))]

# a program's output, or the machine's, and what the sum says of it
REASONS = [
    ('echo 1..2; echo "# /x/a.c:5:y:Expected 1"; echo "# z"; echo not ok 1 y; '
     'echo "#  RUN   b"; echo ok 2 b', 'failed: x: y (a.c:5:y:Expected 1)'),
    ('echo 1..2; echo "# noise"; echo not ok 1 - y; echo "# got 1, want 2"; '
     'echo ok 2', 'failed: x: y (got 1, want 2)'),
    ('echo 1..1; echo "# noise"; echo not ok 1 - y', 'failed: x: y'),
    ('echo 1..1; echo ok 1; echo vm: kernel warnings:; '
     'echo "[ 1.0] WARNING: a.c:5"; echo [ 2.0] BUG; exit 123',
     'failed: x: kernel warnings in the log ([ 1.0] WARNING: a.c:5)'),
]

# What ctest prints of two groups at the same time, and what is shown of it.
CTEST = """Test project /x
      Start  1: one
1: Test command: /x "1: y"
1: Environment variables:
1:  PEERMEM_BUILD=/x
      Start 12: two
12: ok 1 - a: 1: b
1: ok 1 - c
 1/12 Test  #1: one ..................   Passed    1.00 sec
 2/12 Test #12: two ..................***Failed    2.00 sec
"""
SHOWN = ['', '=== one', '', '=== two', 'two: ok 1 - a: 1: b', 'one: ok 1 - c',
         '=== one:   Passed    1.00 sec', '=== two:Failed    2.00 sec']

points = failures = 0


def check(name, got, want, text=''):
    global points, failures
    points += 1
    failures += got != want
    print(f"{'ok' if got == want else 'not ok'} {points} - {name}")
    if got != want:
        print(f'# got {got}, want {want}')
        for line in text.splitlines():
            print('#', line)


def run(work, program, *options):
    """The counts and whether tap.py's exit status agrees with them."""
    counts = os.path.join(work, 'x.counts')
    done = subprocess.run([TAP, 'check', 'x', counts, *options, '--',
                           'bash', '-c', program],
                          text=True, capture_output=True)
    with open(counts, encoding='utf-8') as lines:
        got = tuple(int(word) for word in lines.readline().split())
    return got, done.returncode == bool(got[1]), done.stdout + done.stderr


def outlives_its_time(work):
    """Does a process of a group of its own go on when a program is over time?"""
    trace = os.path.join(work, 'trace')
    listed = os.path.join(work, 'list')
    with open(listed, 'w', encoding='utf-8') as out:
        out.write(f'set -m; (sleep 6; echo > {trace}) & wait\n')
    run(work, f'{TAP} run --timeout 2 {listed}')
    return os.path.exists(trace)


def note_of(work, program):
    run(work, program, '--vm')
    with open(os.path.join(work, 'x.counts'), encoding='utf-8') as lines:
        return lines.read().splitlines()[1]


def report_of(work, program):
    """The cases of the group's report: class, name, why it failed or was skipped."""
    run(work, program)
    cases = xml.etree.ElementTree.parse(os.path.join(work, 'x.counts.xml'))
    return [(case.get('classname'), case.get('name'),
             *(f'{what.tag}: {what.get("message")}' for what in case))
            for case in cases.getroot()]


def sum_of(work, counts, status, *configs):
    junit = os.path.join(work, 'junit.xml')
    with open(junit, 'w', encoding='utf-8') as out:
        out.write(f'<testsuite><testcase name="x" status="{status}"/>'
                  '</testsuite>')
    path = os.path.join(work, 'x.counts')
    if os.path.exists(path):
        os.remove(path)
    if counts:
        with open(path, 'w', encoding='utf-8') as out:
            print(*counts, file=out)
    done = subprocess.run([TAP, 'sum', f'x={work}', *configs], text=True,
                          capture_output=True)
    return done.stdout.splitlines()[-1], done.returncode


def main():
    with tempfile.TemporaryDirectory() as work:
        listed = os.path.join(work, 'list')
        for name, program, want in PROGRAMS:
            script = os.path.join(work, 'program')
            with open(script, 'w', encoding='utf-8') as out:
                out.write(program)
            with open(listed, 'w', encoding='utf-8') as out:
                out.write(f'bash {script}\n')
            got, agrees, text = run(
                work, f'{TAP} run --timeout {2 if name == "too long" else 60} '
                f'{listed}')
            check(name, (got, agrees), (want, True), text)
        for status, want in MACHINES:
            got, agrees, text = run(
                work, f'echo 1..1; echo ok 1; exit {status}', '--vm')
            check(f'a machine that ends with {status}', (got, agrees),
                  (want, True), text)
        check('too long, in a group of its own', outlives_its_time(work), False)
        for program, want in REASONS:
            check(f'why: {want}', note_of(work, program), want)
        done = subprocess.run([TAP, 'show', '--jobs', '2'], input=CTEST,
                              text=True, capture_output=True)
        check('two groups at the same time', done.stdout.splitlines(), SHOWN)
        check('the report has each point', report_of(
            work, 'echo 1..3; echo "ok 1 - p: a"; echo "not ok 2 - p: b"; '
            'printf "# b\\1cause\\n"; echo "ok 3 - c # SKIP why"; exit 1'),
              [('x.p', 'a'), ('x.p', 'b', 'failure: b?cause'),
               ('x', 'c', 'skipped: why')])
        check('a sum', sum_of(work, (3, 0, 1), 'run'),
              ('3 passed, 0 failed, 1 skipped', 0))
        check('a sum with a failure', sum_of(work, (3, 2, 1), 'fail'),
              ('3 passed, 2 failed, 1 skipped', 1))
        check('a test that left no counts', sum_of(work, None, 'fail'),
              ('0 passed, 1 failed, 0 skipped', 1))
        check('a test that ended well and left no counts',
              sum_of(work, None, 'run'), ('0 passed, 1 failed, 0 skipped', 1))
        check('a test that was killed after it counted',
              sum_of(work, (3, 0, 0), 'fail'),
              ('3 passed, 1 failed, 0 skipped', 1))
        check('two configurations, of which one failed',
              sum_of(work, (3, 1, 1), 'fail', f'y={work}'),
              ('6 passed, 2 failed, 2 skipped', 1))
        check('nothing at all', sum_of(work, None, 'run')[1], 1)
    print(f'1..{points}')
    return 1 if failures else 0


sys.exit(main())
