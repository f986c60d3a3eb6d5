#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs tests that print TAP, and counts their test cases.
#
#   tap.py run [--timeout S] LIST
#       Runs the shell commands in file LIST, one a line, and prints one TAP
#       stream. Test case "write at odd offsets" of program "mr_data" becomes
#       "mr_data: write at odd offsets".
#   tap.py check NAME COUNTS [--vm] -- COMMAND...
#       Runs COMMAND, which prints one TAP stream, and shows it. Writes the counts
#       to file COUNTS, and each test case to COUNTS.xml (JUnit format). With --vm,
#       COMMAND is vm.sh, and the machine is one more test case: it booted, and
#       there are no kernel warnings.
#   tap.py show [--jobs N]
#       Filters the output of "ctest --verbose": prints the lines of the tests as
#       they arrive, a heading for each group, and its result. If groups run at the
#       same time, each line has the name of its group.
#   tap.py sum CONFIG=FOLDER...
#       Prints "N passed, N failed, N skipped" for the tests that ctest has run
#       (its report is junit.xml in FOLDER), from the counts in FOLDER. CONFIG is
#       the kernel configuration. Writes points.xml to FOLDER, with each test case
#       and the reason if it failed.
#
# Everything except a well-formed success is a failure: no plan, or two plans; a
# missing test case, or one with a wrong number; an exit status other than 0; a
# timeout; a missing counts file. A program without test cases is skipped only if it
# prints "1..0 # SKIP" with a reason and exits 4. A test case that does not apply
# (applies.h) is not counted. A program none of whose test cases apply fails.

import argparse
import glob
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../vm'))

from host.tap import PLAN, Stream, write_report  # noqa: E402

# The line that kselftest_harness.h prints before a failed test case.
EXPECTED = re.compile(r'#.*/([^/ ]+\.[ch]:\d+:.*)')
REMARK = re.compile(r'# (?! RUN)(.*)')
# The line that peermem-vm prints before the kernel warnings.
KERNEL_WARNINGS = 'vm: kernel warnings:'

# Exit statuses of vm.sh itself, not of the command.
VM_FAILURES = {
    123: 'kernel warnings in the log',
    124: 'the machine timed out',
    125: 'the machine did not boot, crashed, or is stuck',
}


class Reason:
    """Finds the line that explains best why a test case failed."""

    def __init__(self, stream):
        self.stream = stream
        self.expected = ''
        self.warning = None     # the first kernel warning
        self.wanted = False     # the last test case failed, reason unknown

    def explain(self, text):
        result, name, _ = self.stream.points[-1]
        self.stream.points[-1] = (result, name, text)

    def feed(self, line, point):
        remark = REMARK.match(line)
        expected = EXPECTED.match(line)
        if point:
            self.wanted = point[0] == 'failed'
            if self.wanted and self.expected:
                self.explain(self.expected)
                self.wanted = False
            self.expected = ''
        elif self.wanted:
            self.wanted = False
            if remark:
                self.explain(remark.group(1))
        elif expected and not self.expected:
            self.expected = expected.group(1)
        if self.warning == '':
            self.warning = line
        elif line == KERNEL_WARNINGS and not self.warning:
            self.warning = ''


def say(line):
    print(line, flush=True)


def kill_session(leader):
    """Kills a session: a test may have created process groups."""
    for stat in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(stat, encoding='utf-8', errors='replace') as file:
                session = int(file.read().rsplit(')', 1)[1].split()[3])
            if session == leader:
                os.kill(int(stat.split('/')[2]), signal.SIGKILL)
        except OSError:
            pass        # the process has ended


class Merger:
    """Prints the test cases of several programs as one stream."""

    def __init__(self):
        self.number = 0
        self.failed = 0

    def point(self, result, name, reason=''):
        self.number += 1
        self.failed += result == 'failed'
        say(f"{'not ok' if result == 'failed' else 'ok'} {self.number} - "
            f"{name}" + (f' # SKIP {reason}' if result == 'skipped' else ''))

    def run(self, command, timeout):
        words = shlex.split(command)
        program = os.path.splitext(os.path.basename(words[0]))[0]
        say(f'# {program}')
        stream = Stream()
        started = time.monotonic()
        child = subprocess.Popen(['bash', '-c', command], text=True,
                                 errors='replace', stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 start_new_session=True)
        signal.signal(signal.SIGALRM,
                      lambda *_: kill_session(child.pid))
        signal.alarm(timeout)
        for line in child.stdout:
            line = line.rstrip('\n')
            point = stream.feed(line)
            if point:
                if point[0] != 'not applicable':
                    self.point(point[0], f'{program}: {point[1]}', point[2])
            elif not PLAN.match(line):
                say(line if line.startswith('#') else f'# {line}')
        status = child.wait()
        signal.alarm(0)
        took = time.monotonic() - started
        self.conclude(program, stream, status, took >= timeout)
        say(f'# {program}: {took:.1f} s')

    def conclude(self, program, stream, status, timed_out):
        """Adds a test case for a failure that the test cases do not show."""
        if timed_out:
            self.point('failed', f'{program}: timed out')
        elif (not stream.points and stream.plan == 0 and stream.plan_skip and
              status == 4):
            self.point('skipped', program, stream.plan_skip)
        elif not stream.points and stream.plan == 0:
            self.point('failed',
                       f'{program}: no test cases, exit status {status}')
        elif stream.defect():
            self.point('failed', f'{program}: {stream.defect()}, '
                       f'exit status {status}')
        elif stream.count('not applicable') == len(stream.points):
            self.point('failed', f'{program}: no test case applies')
        elif status and not stream.count('failed'):
            self.point('failed', f'{program}: exit status {status}')


def run(args):
    merger = Merger()
    with open(args.list, encoding='utf-8') as commands:
        for command in commands:
            if command.strip():
                merger.run(command.strip(), args.timeout)
    say(f'1..{merger.number}')
    return 1 if merger.failed else 0


def check(args):
    stream = Stream()
    reason_of = Reason(stream)
    child = subprocess.Popen(args.command, text=True, errors='replace',
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    for line in child.stdout:
        line = line.rstrip('\n')
        say(line)
        reason_of.feed(line, stream.feed(line))
    status = child.wait()

    extra = []
    failure = VM_FAILURES.get(status) if args.vm else None
    if args.vm:
        extra.append(('failed' if failure else 'passed',
                      failure or 'the machine ran without kernel warnings'))
    defect = None if failure else stream.defect()
    if status and not failure and not defect and not stream.count('failed'):
        defect = f'exit status {status}'
    if defect:
        extra.append(('failed', defect))
    for result, text in extra:
        stream.points.append((result, text,
                              failure and reason_of.warning or ''))
        say(f"{'not ok' if result == 'failed' else 'ok'} "
            f"{len(stream.points)} - {args.name}: {text}")

    counts = [stream.count(kind) for kind in ('passed', 'failed', 'skipped')]
    say('# {}: {} passed, {} failed, {} skipped'.format(args.name, *counts))
    os.makedirs(os.path.dirname(args.counts), exist_ok=True)
    with open(args.counts, 'w', encoding='utf-8') as out:
        print(*counts, file=out)
        for result, name, reason in stream.points:
            if result != 'passed':
                print(f'{result}: {args.name}: {name}'
                      + (f' ({reason})' if reason else ''), file=out)
    write_report(args.counts + '.xml', args.name, stream.points)
    return 1 if counts[1] else 0


def write_reports(config, folder, names):
    """Writes all groups of a kernel configuration to one file."""
    suites = xml.etree.ElementTree.Element('testsuites', name=config)
    for name in names:
        path = os.path.join(folder, name + '.counts.xml')
        if os.path.exists(path):
            suites.append(xml.etree.ElementTree.parse(path).getroot())
    xml.etree.ElementTree.ElementTree(suites).write(
        os.path.join(folder, 'points.xml'), 'utf-8', True)


CTEST_START = re.compile(r' *Start +(\d+): (.*)')
CTEST_OWN = re.compile(r'\d+: (Test command|Working Directory|Environment '
                       r'variables|Test timeout)|\d+:  [A-Z_]+=')
CTEST_LINE = re.compile(r'(\d+): (.*)')
CTEST_END = re.compile(r' *\d+/\d+ +Test +#\d+: (\S+) [.*]*(.*)')


def show(args):
    names = {}
    for line in sys.stdin:
        line = line.rstrip('\n')
        if CTEST_OWN.match(line):
            continue
        if match := CTEST_START.match(line):
            names[match.group(1)] = match.group(2)
            say(f'\n=== {match.group(2)}')
        elif match := CTEST_LINE.match(line):
            group = names.get(match.group(1), '?') + ': '
            say((group if args.jobs > 1 else '') + match.group(2))
        elif match := CTEST_END.match(line):
            say(f'=== {match.group(1)}:{match.group(2)}')
    return 0


def ctest_cases(folder):
    """Returns the tests that ctest has run."""
    return list(xml.etree.ElementTree.parse(
        os.path.join(folder, 'junit.xml')).iter('testcase'))


def ctest_counts(folder):
    """Yields counts and notes of each test that ctest has run."""
    for case in ctest_cases(folder):
        name = case.get('name')
        path = os.path.join(folder, name + '.counts')
        counts, notes = [0, 0, 0], []
        if os.path.exists(path):
            with open(path, encoding='utf-8') as lines:
                counts = [int(word) for word in lines.readline().split()]
                notes = [line.rstrip('\n') for line in lines]
        elif case.get('status') == 'run':
            counts[1] = 1
            notes.append(f'failed: {name}: no counts file')
        if case.get('status') != 'run' and not counts[1]:
            counts[1] = 1
            notes.append(f'failed: {name}: ctest reports a failure')
        yield counts, notes


def ctest_seconds(folder):
    """Returns a line of the tests that ctest has run and their seconds, longest first."""
    seconds = [(float(case.get('time') or 0), case.get('name'))
               for case in ctest_cases(folder)]
    return ', '.join(f'{name} {time:.0f}' for time, name in sorted(seconds)[::-1])


def add_up(args):
    total = [0, 0, 0]
    all_notes = {'skipped': [], 'failed': []}
    results = [result.split('=', 1) for result in args.results]
    for config, folder in results:
        for counts, notes in ctest_counts(folder):
            total = [a + b for a, b in zip(total, counts)]
            for note in notes:
                kind, text = note.split(': ', 1)
                all_notes[kind].append(f'{kind}: {config}: {text}')
        write_reports(config, folder,
                      [case.get('name') for case in ctest_cases(folder)])
    for notes in all_notes.values():
        for note in notes:
            say(note)
    for config, folder in results:
        say(f'seconds: {config}: {ctest_seconds(folder)}')
    say('{} passed, {} failed, {} skipped'.format(*total))
    return 0 if total[0] and not total[1] else 1


def main():
    parser = argparse.ArgumentParser()
    modes = parser.add_subparsers(required=True)
    mode = modes.add_parser('run')
    mode.add_argument('--timeout', type=int, default=300)
    mode.add_argument('list')
    mode.set_defaults(call=run)
    mode = modes.add_parser('check')
    mode.add_argument('name')
    mode.add_argument('counts')
    mode.add_argument('--vm', action='store_true')
    mode.add_argument('command', nargs='+')
    mode.set_defaults(call=check)
    mode = modes.add_parser('show')
    mode.add_argument('--jobs', type=int, default=1)
    mode.set_defaults(call=show)
    mode = modes.add_parser('sum')
    mode.add_argument('results', nargs='+', metavar='CONFIG=FOLDER')
    mode.set_defaults(call=add_up)
    args = parser.parse_args()
    return args.call(args)


if __name__ == '__main__':
    sys.exit(main())
