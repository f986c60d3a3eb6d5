#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The rooms of kernel/core include each other's headers only along the arrows of
# docs/figures/rooms.dot, each arrow is used, and they make no circle. Inside of a
# room, headers make no circle either.
#
# usage: rooms.py

import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from points import Tap  # noqa: E402

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
CORE = os.path.join(PROJECT, 'kernel/core')


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def arrows(rooms):
    """The arrows of the picture between two rooms."""
    text = read(os.path.join(PROJECT, 'docs/figures/rooms.dot'))
    found = set(re.findall(r'^\s*(\w+) -> (\w+)\b', text, re.MULTILINE))
    return {(a, b) for a, b in found if a in rooms and b in rooms}


def includes(path):
    """The files of kernel/core that a file of it includes, by their path in it."""
    for name in re.findall(r'^#include "(.*)"', read(os.path.join(CORE, path)),
                           re.MULTILINE):
        for base in '', os.path.dirname(path):
            target = os.path.normpath(os.path.join(base, name))
            if os.path.exists(os.path.join(CORE, target)):
                if not target.startswith('..'):
                    yield target
                break


def room(path):
    """"": the file belongs to all rooms."""
    return os.path.dirname(path)


def circle(graph):
    """A path through the graph that comes back to where it began; or []."""
    done = set()

    def visit(node, path):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return []
        found = next((found for after in sorted(graph.get(node, ()))
                      if (found := visit(after, path + [node]))), [])
        done.add(node)
        return found

    return next((found for node in sorted(graph) if (found := visit(node, []))),
                [])


def main():
    tap = Tap()
    files = sorted(os.path.relpath(path, CORE) for path in
                   glob.glob(os.path.join(CORE, '**/*.[ch]'), recursive=True))
    rooms = {room(path) for path in files} - {''}
    drawn = arrows(rooms)
    used = {}
    for path in files:
        for target in includes(path):
            pair = room(path), room(target)
            if '' not in pair and pair[0] != pair[1]:
                used.setdefault(pair, []).append(f'{path} includes {target}')
    tap.point('there are rooms', len(rooms) > 1)
    for pair in sorted(used):
        tap.point(f'{pair[0]}/ includes {pair[1]}/: the picture has the arrow',
                  pair in drawn, *used[pair])
    tap.equal('each arrow of the picture is used', sorted(drawn - set(used)), [])
    below = {}
    for a, b in drawn:
        below.setdefault(a, set()).add(b)
    tap.equal('the rooms make no circle', circle(below), [])
    graph = {path: set(includes(path)) for path in files}
    tap.equal('the files make no circle of includes', circle(graph), [])
    tap.done()


main()
