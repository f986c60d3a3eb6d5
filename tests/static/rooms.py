#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The architecture of the kernel modules: the files of a module call each other in one
# direction, and the rooms of the core use each other along the arrows of
# docs/figures/rooms.dot. Reads the object files (which file defines and which needs a
# symbol) and the includes.
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


def drawn():
    """The arrows between rooms in the picture: room -> rooms."""
    with open(os.path.join(PROJECT, 'docs/figures/rooms.dot'),
              encoding='utf-8') as file:
        text = file.read()
    rooms = {os.path.basename(os.path.dirname(path)) for path in
             glob.glob(os.path.join(PROJECT, 'kernel/core/*/'))}
    found = collections.defaultdict(set)
    for room, other in re.findall(r'^\s*(\w+) -> (\w+)\b', text, re.MULTILINE):
        if room in rooms and other in rooms:
            found[room].add(other)
    return found


def between_rooms(graph):
    """The arrows between rooms in the code: room -> rooms."""
    found = collections.defaultdict(set)
    for name, others in graph.items():
        for other in others:
            here, there = os.path.dirname(name), os.path.dirname(other)
            if here and there and here != there:
                found[here].add(there)
    return found


tap = Tap()
tap.equal('a circle is found', circles({'a': {'b'}, 'b': {'c'}, 'c': {'a'},
                                        'd': {'a'}}), ['a b c'])
tap.equal('an arrow between rooms is found',
          between_rooms({'umem/a': {'user/b', 'umem/d', 'trace'}}),
          {'umem': {'user'}})
tap.point('the picture has arrows', drawn())
tap.equal('the rooms of the picture make no circle', circles(drawn()), [])
for module in MODULES:
    graph, built = arrows(module)
    tap.point(f'{module}: object files are read', len(built) > 1)
    tap.equal(f'{module}: no circles', circles(graph), [])
    if module == 'core':
        tap.equal('core: the picture has the arrows of the code',
                  between_rooms(graph), drawn())
tap.done()
