# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Mutants: NAME.patch beside this file. Each puts one fault into a kernel module, the
# provider, the library or the command, and has a head of fields, "Name: value", before
# the diff:
#
#   Mutant      what is broken
#   Killed-by   the test that must fail: GROUP PROGRAM [FIXTURE.VARIANT.TEST...]
#               or [OPTION...] of the program; as in the group's list of commands
#   Kernel      plain or debug: where it runs
#   Evidence    what else than a failed test kills it: "warning" in the kernel's
#               log, "crash" or "hang" of the machine. Default: nothing else
#   Equivalent  why no test can tell it from the original; instead of Killed-by
#
# A line that begins with a blank goes on with the value before.

import glob
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
FIELD = re.compile(r'([A-Z][A-Za-z-]+): +(\S.*)')
FIELDS = {'SPDX-License-Identifier', 'Mutant', 'Killed-by', 'Kernel', 'Evidence',
          'Equivalent'}
KERNELS = ('plain', 'debug')
EVIDENCE = ('warning', 'crash', 'hang')
# More than that is no single fault.
MAX_CHANGED = 16


class Malformed(Exception):
    """A patch that is no mutant; says whose and why."""


class Mutant:
    """What the head of a patch says, and what its diff changes."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).removesuffix('.patch')
        try:
            self.read()
        except Malformed as defect:
            raise Malformed(f'{self.name}.patch: {defect}') from None

    def read(self):
        with open(self.path, encoding='utf-8') as file:
            self.text = file.read()
        head, mark, diff = self.text.partition('\n--- a/')
        if not mark:
            raise Malformed('no diff')
        self.fields = self.parse(head)
        self.what = self.need('Mutant')
        self.kernel = self.fields.get('Kernel', '')
        self.equivalent = self.fields.get('Equivalent', '')
        self.evidence = self.fields.get('Evidence', '').split()
        self.test = self.fields.get('Killed-by', '').split()
        diff = '--- a/' + diff
        self.files = re.findall(r'^\+\+\+ b/(.*)$', diff, re.MULTILINE)
        self.changed = len(re.findall(r'^(?:[+](?![+]{2} b/)|-(?!-- a/))', diff,
                                      re.MULTILINE))
        self.check()

    @staticmethod
    def parse(head):
        fields = {}
        name = None
        for line in head.splitlines():
            match = FIELD.match(line)
            if not line:
                name = None
            elif line[0] == ' ' and name:
                fields[name] += ' ' + line.strip()
            elif match and match.group(1) in FIELDS - fields.keys():
                name = match.group(1)
                fields[name] = match.group(2)
            else:
                raise Malformed(f'no field, or the second of its name: {line}')
        return fields

    def need(self, name):
        if name not in self.fields:
            raise Malformed(f'no field {name}')
        return self.fields[name]

    def check(self):
        if bool(self.equivalent) == bool(self.test):
            raise Malformed('one of Killed-by and Equivalent is needed')
        if self.test and len(self.test) < 2:
            raise Malformed('Killed-by needs a group and a program')
        if self.test and self.kernel not in KERNELS:
            raise Malformed(f'Kernel is one of {KERNELS}')
        if set(self.evidence) - set(EVIDENCE):
            raise Malformed(f'Evidence is of {EVIDENCE}')
        if not 1 <= self.changed <= MAX_CHANGED:
            raise Malformed(f'{self.changed} lines changed, not 1 to '
                            f'{MAX_CHANGED}')
        for file in self.files:
            if not re.match(r'(kernel/(core|rxe|bar|vram|cmb|maps)|provider|lib|'
                            r'tools)/', file):
                raise Malformed(f'{file} is of nothing that can be changed')

    def touches(self, folder):
        return any(file.startswith((f'kernel/{folder}/', f'{folder}/'))
                   for file in self.files)

    @property
    def filters(self):
        """The options by which the program runs the named tests only."""
        words = []
        for word in self.test[2:]:
            by_name = '.' in word and not word.startswith('-')
            words += ['-r', word] if by_name else [word]
        return words

    def command(self, build):
        """How the group runs it, or None if it does not."""
        listed = os.path.join(build, 'tests', self.test[0] + '.list')
        if not os.path.exists(listed):
            return None
        with open(listed, encoding='utf-8') as lines:
            for line in lines:
                words = line.split()
                names = [os.path.splitext(os.path.basename(word))[0]
                         for word in words]
                if self.test[1] in names:
                    end = names.index(self.test[1]) + 1
                    # A script has arguments of its own.
                    if words[end - 1].endswith('.sh'):
                        end = len(words)
                    return words[:end] + self.filters
        return None


def paths():
    return sorted(glob.glob(os.path.join(HERE, '*.patch')))
