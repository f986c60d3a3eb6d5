#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks names. The models and their README may name only functions, hold points,
# steps, properties and faults that exist. Comments of the kernel modules may name
# only properties of the models that exist.
#
# usage: names.py

import glob
import os
import re
import sys

sys.dont_write_bytecode = True
import searches

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '../..')


def read(*paths):
    """Returns the text of each file that matches the patterns, by file name."""
    texts = {}
    for path in paths:
        for name in sorted(glob.glob(os.path.join(TOP, path), recursive=True)):
            with open(name, encoding='utf-8') as file:
                texts[os.path.relpath(name, TOP)] = file.read()
    return texts


KERNEL = read('kernel/**/*.[ch]', 'include/rdma/*.h')
MODELS = read('tests/model/*.pml')
README = read('tests/model/README.md')['tests/model/README.md']
HOLD = KERNEL['kernel/core/hold_point.h']
# A step whose name has no such prefix need not be a function of the modules.
PREFIX = r'(ib|peer|umem|fault|region)_'
KERNEL_TEXT = '\n'.join(KERNEL.values())
MODEL_TEXT = '\n'.join(MODELS.values())


def is_defined(name):
    """Returns True if the kernel modules define this function."""
    for match in re.finditer(r'^\w[^\n;{}()]*\b' + name + r'\(', KERNEL_TEXT,
                             re.MULTILINE):
        end = re.search(r'[;{]', KERNEL_TEXT[match.end():])
        if end and end.group() == '{':
            return True
    return False


def is_operation(name):
    """Returns True if this is an operation of exporters."""
    return f'(*{name})(' in KERNEL['include/rdma/peer_mem.h']


def is_linux(name):
    """Returns True if the README lists this function and the modules call it."""
    listed = section('Functions of Linux')
    return f'`{name}()`' in listed and re.search(
        r'\b' + name + r'\(', KERNEL_TEXT) is not None


def section(title):
    """Returns the text between a headline and the next one."""
    parts = re.split(r'^## ', README, flags=re.MULTILINE)
    for part in parts:
        if part.startswith(title + '\n'):
            return part
    return ''


def rows(title):
    """Returns the rows of the table below a headline, as lists of cells."""
    found = []
    for line in section(title).splitlines():
        if line.startswith('|') and not re.match(r'\|[-|]+\|$', line):
            found.append([cell.strip() for cell in line.strip('|').split('|')])
    return found[1:]


def comments(text):
    return '\n'.join(re.findall(r'/\*.*?\*/', text, re.DOTALL))


def calls(text):
    """Returns the names that are followed by ()."""
    return set(re.findall(r'\b([a-z_][a-z0-9_]*)\(\)', text))


def quoted(text):
    return re.findall(r'`([^`]+)`', text)


def unknown(names):
    return sorted(name for name in names
                  if not is_defined(name) and not is_operation(name) and
                  not is_linux(name))


def holds():
    return {name.lower() for name in
            re.findall(r'\bIB_PEER_HOLD_(\w+),', HOLD)}


def properties():
    return (set(re.findall(r'\bassert\((\w+)\)', MODEL_TEXT)) |
            set(re.findall(r'\bltl (\w+)', MODEL_TEXT)))


def steps(text=MODEL_TEXT):
    return set(re.findall(r'^(?:inline|proctype) (\w+)\(', text, re.MULTILINE))


def check_models():
    """Checks the comments of the models."""
    for file, text in MODELS.items():
        said = comments(text)
        named = {name for name in calls(said) | steps(text)
                 if name not in steps() or re.match(PREFIX, name)}
        yield f'{file}: functions', unknown(named)
        points = set(re.findall(r'\bhold: (\w+)', said))
        yield f'{file}: hold points in comments', sorted(points - holds())


def check_readme():
    """Checks the tables of the README."""
    table = rows('Steps')
    yield 'README: number of steps', [] if len(table) > 20 else ['too few']
    yield ('README: steps of the models',
           sorted({name.rstrip('()') for row in table for name in quoted(row[0])}
                  - steps()))
    yield ('README: functions of the steps',
           unknown({name.rstrip('()') for row in table
                    for name in quoted(row[1])}))
    yield ('README: hold points of the steps',
           sorted({name for row in table for name in quoted(row[2])} - holds()))
    named = {quoted(row[0])[0] for row in rows('Properties')}
    yield 'README: properties', sorted(named ^ properties())
    defines = {quoted(row[0])[0].split('=')[0] for row in rows('Defines')}
    used = {define.split('=')[0] for spec in
            [*searches.SEARCHES.values(), *searches.FAULTS.values()]
            for define in spec[1].split()}
    yield 'README: defines', sorted(used ^ defines)


def check_faults():
    in_models = set(re.findall(r'\bBUG_(\w+)', MODEL_TEXT))
    used = {name.split('.')[0] for name in searches.FAULTS}
    yield 'each fault is in a model and in a search', sorted(in_models ^ used)


def check_citations():
    """Checks citations in comments of the modules: "model: NAME, NAME)"."""
    cited = set()
    for text in KERNEL.values():
        for names in re.findall(r'\bmodel: ([\w,\s*]+?)[;)]', comments(text)):
            cited |= set(re.findall(r'\w+', names))
    yield 'kernel comments cite properties', [] if cited else ['none']
    yield 'cited properties exist', sorted(cited - properties())


def main():
    points = failures = 0
    for check in (check_models, check_readme, check_faults, check_citations):
        for name, wrong in check():
            points += 1
            failures += bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {points} - {name}")
            if wrong:
                print('# wrong:', ' '.join(wrong))
    print(f'1..{points}')
    return 1 if failures else 0


sys.exit(main())
