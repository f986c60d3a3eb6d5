#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A test runs each command block and each C program of the README and the book:
# blocks.txt says which one. A block is a fence with one of the LANGUAGES.
#
# usage: blocks.py BUILD, the build folder of the tests
#        blocks.py --list, prints each block: file, line, language, first line

import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from points import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))

LANGUAGES = {'sh', 'bash', 'shell', 'console', 'c'}
FENCE = re.compile(r' *(?P<fence>```+)(?P<language>\w*)')

# Why no test runs a block. In the table, in place of the program of a group "-".
REASONS = {
    'host': 'it changes the modules or the packages of a real host',
    'run': 'it starts ./run, of which book.py checks commands and options',
}


class Block:
    """@path: of the page; @line: of its first line; @text: all of it"""

    def __init__(self, path, line, language, text):
        self.path = path
        self.line = line
        self.language = language
        self.text = text

    def first(self):
        """The first line that is not empty."""
        return next((line.strip() for line in self.text.splitlines()
                     if line.strip()), '')

    def name(self):
        """For TAP, where a "#" would begin a remark."""
        return f'{self.path}:{self.line}: {self.first().lstrip("#/* ")}' \
            .split('#')[0].strip()


def pages():
    return ['README.md', *sorted(
        os.path.relpath(path, PROJECT) for path in
        glob.glob(os.path.join(PROJECT, 'docs/**/*.md'), recursive=True))]


def fences(path):
    """All blocks of a page, whatever their language."""
    with open(os.path.join(PROJECT, path), encoding='utf-8') as page:
        lines = page.read().splitlines()
    begin = None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if fence and not begin:
            begin = fence
            start = number
        elif begin and line.strip() == begin['fence']:
            yield Block(path, start + 1, begin['language'],
                        '\n'.join(lines[start:number - 1]) + '\n')
            begin = None


def blocks():
    """The blocks that have to be run."""
    for path in pages():
        for block in fences(path):
            if block.language in LANGUAGES:
                yield block


def rows():
    """(file, group, program, first line), as in the table."""
    with open(os.path.join(HERE, 'blocks.txt'), encoding='utf-8') as lines:
        for line in lines:
            if line.strip() and not line.startswith('#'):
                yield tuple(line.strip().split(None, 3))


def means(row, block):
    """Does the row of the table mean the block? "*" are those that
    tests/clients/page.py finds."""
    return row[0] == block.path and (
        row[3] == block.first() or row[3] == '*' and
        block.language == 'sh' and block.first().startswith('# '))


def content(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def runs(build, group, program):
    """Does the group run the program?"""
    path = os.path.join(build, 'tests', group + '.list')
    return os.path.exists(path) and re.search(
        rf'/{re.escape(program)}(\s|$)', content(path), re.MULTILINE)


def takes_from(program, page):
    """Is the page named in the program's source, or in a file beside it that it
    includes? Then the text that it runs is the page's."""
    sources = glob.glob(f'{PROJECT}/tests/*/{program}') + \
        glob.glob(f'{PROJECT}/tests/*/{program}.c')
    return any(page in content(source) for source in sources)


def check_table(tap, build, table, found):
    for row in table:
        path, group, program, first = row
        name = f'{path}: {first.lstrip("#/ ").split("#")[0]}'
        tap.point(f'{name}: there is such a block',
                  any(means(row, block) for block in found))
        if group == '-':
            tap.point(f'{name}: the reason is one of the list',
                      program in REASONS)
            continue
        tap.point(f'{name}: {group} runs {program}', runs(build, group, program))
        tap.point(f'{name}: {program} takes it from there',
                  takes_from(program, path))


def main():
    if sys.argv[1:] == ['--list']:
        for block in blocks():
            print(f'{block.path}:{block.line}: {block.language}: {block.first()}')
        return
    tap = Tap()
    table = list(rows())
    found = list(blocks())
    tap.point('there are blocks', found)
    check_table(tap, sys.argv[1], table, found)
    for block in found:
        listed = [row for row in table if means(row, block)]
        if [row[1] for row in listed] == ['-']:
            tap.point(f'{block.name()} # SKIP {REASONS.get(listed[0][2])}', True)
        else:
            tap.equal(f'{block.name()}: a test runs it', len(listed), 1,
                      'tests/docs/blocks.txt has to list it once')
    tap.done()


if __name__ == '__main__':
    main()
