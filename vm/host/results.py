# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The folder of --results. It has summary.md (summary.py), and for each machine:

  kernel.log                 the kernel log
  stdout.txt, stderr.txt     the output of the command
  results.tap                the test cases, if the output is TAP
  junit.xml                  one case for each test case, else one for the command; and one
                             for the machine
  counters.json              counters of rxe0 and of peermem, before and after
  traffic.pcap               traffic of the network card, with --nodes and --link
  out/                       $PEERMEM_OUT in the guest
"""

import json
import os
import shutil

from . import tap
from .options import MAX_NODES
from .report import KERNEL, say

# What a run writes, besides the folder out
FILES = ('kernel.log', 'stdout.txt', 'stderr.txt', 'results.tap', 'junit.xml',
         'counters.json', 'traffic.pcap', 'summary.md')


def read_text(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def read_tap(text):
    """The stream and its lines. A comment before a failed test case explains it."""
    stream, lines = tap.Stream(), []
    for line in text.splitlines():
        if stream.feed(line) or tap.PLAN.match(line) or line.startswith('Bail out!'):
            lines.append(line)
    return stream, lines


def explain(stream, text):
    """Gives failed test cases the comment lines that follow them, or precede them."""
    comments, waiting = [], None
    points = iter(range(len(stream.points)))
    for line in text.splitlines():
        if tap.POINT.match(line):
            index = next(points)
            waiting = index if stream.points[index][0] == 'failed' else None
            if waiting is not None and comments:
                set_reason(stream, waiting, comments[-1])
                waiting = None
            comments = []
        elif line.startswith('#'):
            comments.append(line[1:].strip())
            if waiting is not None:
                set_reason(stream, waiting, comments[-1])
                waiting, comments = None, []


def set_reason(stream, index, text):
    result, name, _ = stream.points[index]
    stream.points[index] = (result, name, text)


def machine_reason(verdict):
    """The line that says why the machine failed: the first kernel warning, or the end."""
    if not verdict.failed:
        return ''
    return verdict.lines[1 if verdict.status == KERNEL else -1].removeprefix('vm: ')


def test_cases(command, verdict, text):
    """The test cases of a run: (result, name, reason), and the lines of TAP."""
    stream, lines = read_tap(text)
    is_tap = stream.plan is not None and bool(stream.points)
    points = []
    if is_tap:
        explain(stream, text)
        points = [point for point in stream.points if point[0] != 'not applicable']
        defect = stream.defect()
        if defect:
            points.append(('failed', 'the TAP stream is complete', defect))
    if not is_tap or (verdict.status and not verdict.failed and
                      not any(point[0] == 'failed' for point in points)):
        result = 'passed' if verdict.status == 0 else 'failed'
        last = [line for line in text.splitlines() if line.strip()][-1:]
        points.append(('skipped', command, 'the machine failed') if verdict.failed else
                      (result, command, f'exit status {verdict.status}' +
                       (f': {last[0]}' if last else '') if verdict.status else ''))
    points.append(('failed' if verdict.failed else 'passed', 'the virtual machine',
                   machine_reason(verdict)))
    return points, lines if is_tap else []


def read_counters(path):
    return {name: int(value) for name, value in
            (line.split() for line in read_text(path).splitlines())}


def write_counters(folder):
    """Collects what counters.sh has written."""
    raw = f'{folder}/out/.peermem'
    before, after = read_counters(f'{raw}/before'), read_counters(f'{raw}/after')
    shutil.rmtree(raw, ignore_errors=True)
    if not before:
        return
    counters = {name: {'before': before.get(name), 'after': after.get(name)}
                for name in sorted({*before, *after})}
    with open(f'{folder}/counters.json', 'w', encoding='utf-8') as file:
        json.dump({'schema': 1, 'counters': counters}, file, indent=1)
        file.write('\n')


def write(folder, words, verdict):
    """Writes the files that are made after the run. Returns the test cases."""
    command = os.path.basename(words[0]) if words else 'shell'
    points, lines = test_cases(command, verdict, read_text(f'{folder}/stdout.txt'))
    tap.write_report(f'{folder}/junit.xml', command, points)
    if lines:
        with open(f'{folder}/results.tap', 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines) + '\n')
    write_counters(folder)
    return points


def summarize(folder, failed):
    """Ends a failing run with the few lines that matter: the failed test cases."""
    for _, name, reason in failed[:10]:
        say(f'failed: {name}' + (f' ({reason})' if reason else ''))
    if len(failed) > 10:
        say(f'and {len(failed) - 10} more')
    say(f'results are in {folder}')


def clear(folder):
    """Removes the files of an earlier run, also of one with several machines."""
    for place in folder, *(f'{folder}/node{number}' for number in range(1, MAX_NODES + 1)):
        for name in FILES:
            path = os.path.join(place, name)
            if os.path.exists(path):
                os.unlink(path)
