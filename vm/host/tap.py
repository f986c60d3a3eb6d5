# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""TAP, the output of test programs, and JUnit, the report that CI systems show.

A stream has a plan "1..N" and N test cases "ok" or "not ok" ("ok 3 - name # SKIP
reason").
"""

import re
import xml.etree.ElementTree

POINT = re.compile(r'(?P<failed>not )?ok\b *(?P<number>\d*) *(?:- *)?'
                   r'(?P<name>[^#]*?)\s*(?:# *(?P<remark>.*))?$')
PLAN = re.compile(r'1\.\.(\d+)\s*(?:# *skip\S*\s*(.*))?$', re.IGNORECASE)
SKIP = re.compile(r'skip\S*\s*(.*)', re.IGNORECASE)
# tests/applies.h: the test case is in the program's plan, but is not counted.
NOT_APPLICABLE = 'n/a: '


class Stream:
    """The TAP stream of one program, as far as it has been read."""

    def __init__(self):
        self.plan = None
        self.plan_skip = None
        self.points = []        # (result, name, reason)
        self.bailed = None
        self.broken = None      # violation of the TAP format

    def feed(self, line):
        """Parses a line. Returns the test case, if the line has one."""
        plan = PLAN.match(line)
        if plan:
            if self.plan is not None:
                self.broken = 'a second plan'
            self.plan = int(plan.group(1))
            self.plan_skip = plan.group(2)
            return None
        if line.startswith('Bail out!'):
            self.bailed = line[9:].strip() or 'bailed out'
            return None
        point = POINT.match(line)
        if not point:
            return None
        due = len(self.points) + 1
        number = point['number']
        if number and int(number) != due:
            self.broken = f'test case number {number}, expected {due}'
        skip = SKIP.match(point['remark'] or '')
        if point['failed']:
            result = 'failed'
        elif skip and skip.group(1).startswith(NOT_APPLICABLE):
            result = 'not applicable'
        elif skip:
            result = 'skipped'
        else:
            result = 'passed'
        self.points.append((result, point['name'],
                            skip.group(1) if skip else ''))
        return self.points[-1]

    def count(self, result):
        return sum(1 for point in self.points if point[0] == result)

    def defect(self):
        """Returns the error of the stream as a whole, or None."""
        if self.bailed or self.broken:
            return self.bailed or self.broken
        if self.plan is None:
            return 'no plan'
        if self.plan != len(self.points):
            return (f'{self.plan} test cases planned, '
                    f'{len(self.points)} printed')
        return None


def printable(text):
    """Replaces characters of test output that XML does not allow."""
    return ''.join(c if c.isprintable() else '?' for c in text)


def write_report(path, group, points):
    """Writes the test cases of a group as a JUnit test suite."""
    suite = xml.etree.ElementTree.Element('testsuite', name=group)
    for result, name, reason in points:
        name, reason = printable(name), printable(reason)
        program, mark, rest = name.partition(': ')
        case = xml.etree.ElementTree.SubElement(
            suite, 'testcase', name=rest if mark else name,
            classname=f'{group}.{program}' if mark else group)
        if result == 'failed':
            xml.etree.ElementTree.SubElement(case, 'failure', message=reason)
        elif result == 'skipped':
            xml.etree.ElementTree.SubElement(case, 'skipped', message=reason)
    for kind, attribute in (('failed', 'failures'), ('skipped', 'skipped')):
        suite.set(attribute, str(sum(point[0] == kind for point in points)))
    suite.set('tests', str(len(points)))
    xml.etree.ElementTree.ElementTree(suite).write(path, 'utf-8', True)
