#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The architecture of the kernel modules: files of a module call each other in one
# direction, and a room of the core calls only rooms below it. Reads the object files
# (which file defines and which needs a symbol) and the includes.
#
# usage: rooms.py BUILD, the build folder

import collections
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..'))

from points import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
BUILD = sys.argv[1]

# The rooms of kernel/core, from the ground floor up. Rooms of one line are side by
# side: neither calls the other.
FLOORS = [
    ['exporters'],
    ['umem'],
    ['importers', 'adapters'],
    ['user'],
]
# Modules, and the circles in them that the kernel's callbacks force: none.
MODULES = ['core', 'vram', 'bar', 'maps', 'cmb']


def symbols(path):
    """What an object file defines, and what it needs."""
    defined, needed = set(), set()
    out = subprocess.run(['nm', path], capture_output=True, text=True,
                         check=True).stdout
    for line in out.splitlines():
        kind, name = line.split()[-2:]
        if kind == 'U':
            needed.add(name)
        elif kind in 'TDBRVW':
            defined.add(name)
    return defined, needed


def includes(path):
    """The headers of the same module that a source file includes."""
    with open(path, encoding='utf-8') as file:
        return re.findall(r'^#include "([^"]+)"', file.read(), re.MULTILINE)


def part(name):
    """A source file and its header are one part."""
    return os.path.splitext(name)[0]


def arrows(module):
    """part -> parts that it calls or includes."""
    source = os.path.join(PROJECT, 'kernel', module)
    tree = os.path.join(BUILD, 'kernel', module)
    found = collections.defaultdict(set)
    owner, needs = {}, {}
    for path in glob.glob(source + '/**/*.[ch]', recursive=True):
        name = os.path.relpath(path, source)
        for header in includes(path):
            for folder in (source, os.path.dirname(path)):
                target = os.path.normpath(os.path.join(folder, header))
                if os.path.exists(target) and target.startswith(source + '/'):
                    found[part(name)].add(part(os.path.relpath(target, source)))
                    break
        built = os.path.join(tree, part(name) + '.o')
        if name.endswith('.c') and os.path.exists(built):
            defined, needs[part(name)] = symbols(built)
            owner.update({symbol: part(name) for symbol in defined})
    for name, needed in needs.items():
        found[name] |= {owner[symbol] for symbol in needed if symbol in owner}
    for name in found:
        found[name].discard(name)
    return found, needs


def circles(graph):
    """Groups of parts that reach each other (Tarjan)."""
    index, low, stack, on, result = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            if len(group) > 1:
                result.append(' '.join(sorted(group)))

    for node in list(graph):
        if node not in index:
            visit(node)
    return sorted(result)


def upward(graph):
    """Arrows of the core that do not go down."""
    floor = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
    wrong = []
    for name, others in graph.items():
        for other in others:
            here, there = name.split('/')[0], other.split('/')[0]
            if here in floor and there in floor and here != there and \
                    floor[here] <= floor[there]:
                wrong.append(f'{name} -> {other}')
    return sorted(wrong)


tap = Tap()
tap.equal('a circle is found', circles({'a': {'b'}, 'b': {'c'}, 'c': {'a'},
                                        'd': {'a'}}), ['a b c'])
tap.equal('an arrow up is found',
          upward({'umem/a': {'user/b', 'exporters/c', 'umem/d'}}),
          ['umem/a -> user/b'])
for module in MODULES:
    graph, built = arrows(module)
    tap.point(f'{module}: object files are read', len(built) > 1)
    tap.equal(f'{module}: no circles', circles(graph), [])
    if module == 'core':
        tap.equal('core: rooms call only rooms below them', upward(graph), [])
tap.done()
