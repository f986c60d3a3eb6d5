#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Each errno that a comment of a public header promises is provoked by a named test.
# errnos.txt names the tests. Each errno that a user gets is in docs/errors.md.
#
# A promise is a pair of a place and an errno. The place is a function, an operation
# (struct.operation), an ioctl (HEADER:NAME), or a whole header (HEADER). "as f()" in a
# comment promises nothing new.
#
# usage: errnos.py

import errno
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, '..'))

from points import Tap  # noqa: E402

# Only so many errnos may have a reason instead of a test.
MAX_REASONS = 9
# Headers of users, and where docs/errors.md has their errnos. Where a process gets an
# errno only after a call of its own, the chapter has it at that call.
CHAPTERS = {
    'uapi/rdma/peer_mem.h': ['/dev/peer_mem', 'ibv_reg_dmabuf_mr()'],
    'uapi/rdma/peer_vram.h': ['/dev/peer_vram<N>', 'ibv_reg_dmabuf_mr()'],
    'uapi/rdma/peer_bar.h': ['Nodes of ib_peer_bar'],
    'uapi/rdma/peer_cmb.h': ['/dev/peer_cmb<N>'],
    'infiniband/peermem.h': ['libpeermem', '/dev/peer_mem'],
    'infiniband/peermem_vram.h': ['libpeermem', '/dev/peer_vram<N>'],
}


def content(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


# ---- promises ----

def errnos(text):
    """The errnos in a text, in their order. "except" takes one out."""
    text = re.sub(r'except -E\w+', '', text)
    names = re.findall(r'\b(E[A-Z0-9]+)\b', text)
    return [name for name in dict.fromkeys(names) if hasattr(errno, name)]


def operations(struct, comment):
    """The paragraphs of a struct of operations; the rest belongs to the struct."""
    parts = re.split(r'^ \* @(\w+):', comment, flags=re.MULTILINE)
    yield struct, parts[0]
    for name, text in zip(parts[1::2], parts[2::2]):
        yield f'{struct}.{name}', text


def places(header, comment):
    """(place, text) of a comment."""
    base = os.path.basename(header)
    doc = re.match(r'/\*\*\n \* (\w+\(\)|\w+ \w+)(.*)', comment)
    if not doc:
        # The kernel has a header of the same name.
        yield ('rdma/' if header.startswith('rdma/') else '') + base, comment
        return
    ioctl = re.search(r'_IOC_(\w+)', doc[2])
    if ioctl:
        yield f'{base}:{ioctl[1]}', comment
    elif doc[1].endswith('()'):
        yield doc[1][:-2], comment
    elif doc[1].startswith('struct ') and doc[1].endswith('_ops'):
        yield from operations(doc[1].split()[1], comment)
    else:
        yield doc[1].split()[1], comment


def promises():
    """header -> its pairs."""
    found = {}
    for path in sorted(glob.glob(f'{PROJECT}/include/**/*.h', recursive=True)):
        header = os.path.relpath(path, f'{PROJECT}/include')
        pairs = found.setdefault(header, [])
        for comment in re.findall(r'/\*.*?\*/', content(path), re.DOTALL):
            for place, text in places(header, comment):
                pairs += [(place, name) for name in errnos(text)]
    return found


# ---- rows ----

def rows():
    """[PLACE, ERRNO, PROGRAM, TEST, TEXT], or [PLACE, ERRNO, '-', REASON]."""
    for line in content(os.path.join(HERE, 'errnos.txt')).splitlines():
        if not line or line[0] == '#':
            continue
        row = line.split(None, 3)
        if row[2] != '-':
            row = (line.split(None, 4) + [row[1]])[:5]
        yield row


# ---- tests ----

def sources(program):
    found = glob.glob(f'{PROJECT}/tests/{program}.*')
    # A sweep accepts the errnos that it names, and ENOMEM.
    if program.startswith('failnth/'):
        found.append(f'{PROJECT}/tests/failnth/sweep.c')
    return [content(path) for path in found]


def split(source):
    """Functions, tables and macros: what follows an empty line at the margin."""
    found = ['']
    for part in re.split(r'\n\n(?=\S)', source):
        # A macro in a function is a part of it.
        if re.search(r'^\{', found[-1], re.MULTILINE) and not re.search(
                r'^\}', found[-1], re.MULTILINE):
            found[-1] += '\n\n' + part
        else:
            found.append(part)
    return found


def chunks(program):
    return [chunk for source in sources(program) for chunk in split(source)]


def defines(chunk):
    """The first name that a chunk defines."""
    code = re.sub(r'/\*.*?\*/', '', chunk, flags=re.DOTALL)
    name = re.search(r'(\w+)(?:\(|(?:\[\w*\])+ = )', code)
    return name and name[1]


def find(program, test):
    """The chunk of a test in C, or None."""
    fixture, _, name = test.rpartition('.')
    named = (rf'^(?:TEST_F(?:_TIMEOUT)?\({fixture}, |SWEEP(?:_IF)?\({fixture}, |'
             rf'SWEEP_[A-Z]+\(){name}[,)]' if fixture else
             rf'^TEST(?:_TIMEOUT)?\({name}\)')
    for chunk in chunks(program):
        if re.search(named, chunk, re.MULTILINE):
            return chunk
    return None


def reach(program, test):
    """The code of a test in C, of its fixture, and of what both call."""
    fixture = test.rpartition('.')[0]
    waiting = [find(program, test)]
    waiting += [chunk for chunk in chunks(program) if fixture and re.search(
        rf'^FIXTURE\w*\({fixture}\b', chunk, re.MULTILINE)]
    named = {}
    for chunk in chunks(program):
        named.setdefault(defines(chunk), chunk)
    reached = []
    while waiting:
        reached.append(waiting.pop())
        for name in re.findall(r'\w+', reached[-1]):
            if named.get(name) not in [None] + reached + waiting:
                waiting.append(named[name])
    return '\n'.join(reached)


def has_test(program, test):
    if find(program, test):
        return True
    # A test in another language has its name in a string, with blanks for "_".
    return any(f'"{test.replace("_", " ")}"' in content(path)
               for path in glob.glob(f'{PROJECT}/tests/{program}.*')
               if not path.endswith('.c'))


def provokes(row):
    """Has the test the errno, or the text that stands for it?"""
    _, name, program, test, text = row
    if program.startswith('failnth/'):
        return any(re.search(rf'\b{name}\b', source)
                   for source in sources(program))
    if text != name:
        return any(text in source for source in sources(program))
    code = reach(program, test) if find(program, test) else ''
    return bool(re.search(rf'\b{name}\b', code))


# ---- the book ----

def chapters():
    """title -> text of docs/errors.md."""
    parts = re.split(r'^## (.*)\n', content(f'{PROJECT}/docs/errors.md'),
                     flags=re.MULTILINE)
    return {title.replace('`', ''): text
            for title, text in zip(parts[1::2], parts[2::2])}


tap = Tap()
header_pairs = promises()
promised = {pair for pairs in header_pairs.values() for pair in pairs}
table = list(rows())
named = {(row[0], row[1]) for row in table}
tap.point('the headers promise errnos', len(promised) > 100)
for place, name in sorted(promised - named):
    tap.point(f'{place}: {name}', False, 'no row in errnos.txt')
for place, name in sorted(named - promised):
    tap.point(f'{place}: {name}', False, 'no header promises it')
for row in table:
    if row[2] == '-':
        continue
    label = f'{row[0]}: {row[1]}: {row[2]} {row[3]}'
    tap.point(label, has_test(row[2], row[3]) and provokes(row),
              'no such test' if not has_test(row[2], row[3]) else
              f'the test does not have {row[4]}')
tap.point('few errnos have a reason instead of a test',
          sum(row[2] == '-' for row in table) <= MAX_REASONS)
book = chapters()
for header, titles in CHAPTERS.items():
    text = ''.join(book.get(title, '') for title in titles)
    missing = sorted({name for _, name in header_pairs[header]
                      if not re.search(rf'\b{name}\b', text)})
    tap.equal(f'docs/errors.md has all errnos of {header}', missing, [])
tap.done()
