# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Mutants: the files NAME.patch in this directory. Each puts one fault into a kernel
# module, the provider, the library or the tool. A patch has these fields, "Name: value",
# before the diff:
#
#   Mutant      the fault
#   Killed-by   the test that must fail: GROUP PROGRAM [FIXTURE.VARIANT.TEST...], or
#               [OPTION...] of the program, as in the group's list of commands
#   Kernel      the kernel that it runs on: plain or debug
#   Evidence    what kills it besides a failed test: a "warning" in the kernel log, a
#               "crash" or "hang" of the machine. Default: only a failed test
#   Equivalent  why no test can distinguish it from the original; replaces Killed-by
#
# A line that starts with a blank continues the previous value.

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
# A single fault needs no more changed lines than this.
MAX_CHANGED = 16


class Malformed(Exception):
    """The patch is no valid mutant. Has its name and the reason."""


class Mutant:
    """The fields of a patch, and the files that it changes."""

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
                raise Malformed(f'unknown or duplicate field: {line}')
        return fields

    def need(self, name):
        if name not in self.fields:
            raise Malformed(f'field {name} is missing')
        return self.fields[name]

    def check(self):
        if bool(self.equivalent) == bool(self.test):
            raise Malformed('needs either Killed-by or Equivalent')
        if self.test and len(self.test) < 2:
            raise Malformed('Killed-by needs a group and a program')
        if self.test and self.kernel not in KERNELS:
            raise Malformed(f'Kernel is none of {KERNELS}')
        if set(self.evidence) - set(EVIDENCE):
            raise Malformed(f'Evidence is none of {EVIDENCE}')
        if not 1 <= self.changed <= MAX_CHANGED:
            raise Malformed(f'{self.changed} lines changed, want 1 to '
                            f'{MAX_CHANGED}')
        for file in self.files:
            if not re.match(r'(kernel/(core|rxe|bar|vram|cmb|maps)|provider|lib|'
                            r'tools)/', file):
                raise Malformed(f'{file} is in no directory that mutants may change')

    def touches(self, folder):
        return any(file.startswith((f'kernel/{folder}/', f'{folder}/'))
                   for file in self.files)

    @property
    def filters(self):
        """Returns the options that make the program run only the named tests."""
        words = []
        for word in self.test[2:]:
            by_name = '.' in word and not word.startswith('-')
            words += ['-r', word] if by_name else [word]
        return words

    def command(self, build):
        """Returns the command of the group for this test, or None."""
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
                    # Keep the arguments of a script.
                    if words[end - 1].endswith('.sh'):
                        end = len(words)
                    return words[:end] + self.filters
        return None


def paths():
    return sorted(glob.glob(os.path.join(HERE, '*.patch')))
