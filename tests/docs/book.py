#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The book builds without a warning; its lines are at most 100 columns; and what it
# names exists: files, functions, constants, tests, commands of ./run, test groups.
#
# usage: book.py LINUX FOLDER [--names]
#   LINUX    part of the kernel's source, see docs/build.sh
#   FOLDER   for the book
#   --names  checks the names only, and does not build

import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from points import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
COLUMNS = 100

SOURCES = ('kernel', 'include', 'lib', 'tools', 'provider', 'tests', 'perf',
           'packaging', 'cmake', 'examples', 'vm', 'gpu')
# Functions that the book mentions and the code does not call.
KNOWN = set('''
    MPI_Win_create __ibv_query_device capable dma_buf_fd drm_dev_init
    follow_pfn get_user_pages gpu_mem_alloc ibv_alloc_dm ibv_end_poll ibv_poll_cq
    ibv_start_poll madvise memcpy_fromio memcpy_toio pin_user_pages
    process_vm_readv ptrace ptrace_may_access read recv symbol_get symbol_request
    vmsplice zap_vma_ptes
'''.split())


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def pages():
    return ['README.md', *sorted(
        os.path.relpath(path, PROJECT) for path in
        glob.glob(os.path.join(PROJECT, 'docs/**/*.md'), recursive=True))]


def source_files():
    yield os.path.join(PROJECT, 'run')
    for folder in SOURCES:
        for path, _, names in os.walk(os.path.join(PROJECT, folder)):
            for name in names:
                if not name.endswith(('.md', '.png', '.patch')):
                    yield os.path.join(path, name)


def words(paths):
    found = set()
    for path in paths:
        found.update(re.findall(r'\w+', read(path)))
    return found


def text_of(page):
    return read(os.path.join(PROJECT, page))


def prose(page):
    """The page without its fences."""
    return re.sub(r'^( *)```.*?^ *```$', '', text_of(page),
                  flags=re.MULTILINE | re.DOTALL)


def spans(page):
    """What stands in `code`."""
    return set(re.sub(r'\s+', ' ', span) for span in
               re.findall(r'`([^`]+)`', prose(page) + lists(page)))


def lists(page):
    """The tables that are written as lists: fences, but prose."""
    return ''.join(re.findall(r'^```\{list-table\}\n(.*?)^```$', text_of(page),
                              re.MULTILINE | re.DOTALL))


def long_lines(page):
    return [f'{page}:{number}: {len(line)} columns' for number, line in
            enumerate(text_of(page).splitlines(), 1) if len(line) > COLUMNS]


def missing_files(page):
    """Paths from the top of the source that do not exist."""
    for span in spans(page):
        if re.fullmatch(rf'({"|".join(SOURCES)}|docs)/[\w./*{{}},-]*', span):
            pattern = re.sub(r'\{[^}]*\}', '*', span)
            if not glob.glob(os.path.join(PROJECT, pattern)):
                yield span
        elif re.fullmatch(r'[\w-]+/([\w-]+\.[ch]|)', span) and \
                os.path.isdir(os.path.join(PROJECT, 'kernel/core',
                                           span.split('/')[0])):
            if not os.path.exists(os.path.join(PROJECT, 'kernel/core', span)):
                yield span


def missing_functions(page, known):
    for name in re.findall(r'`(\w+)\(\)`', prose(page) + lists(page)):
        if name not in known and name not in KNOWN:
            yield name + '()'


def missing_constants(page, known):
    """Names with one of the project's prefixes."""
    prefix = (r'(?:PEER_|IB_PEER_|PEERMEM_)[A-Z0-9_]+|'
              r'(?:ib_peer|ib_umem_peer|rxe_peer|peermem|peer_vram|peer_bar|'
              r'peer_cmb|peer_maps|peer_mem)_\w+')
    for name in re.findall(rf'\b({prefix})\b', prose(page) + lists(page)):
        if name not in known and not name.endswith('_'):
            yield name


def missing_tests(page, tests, kernel):
    """Programs of tests, and test cases as "fixture.case"; or fields of structs."""
    for span in spans(page):
        if re.fullmatch(r'\w+_test', span):
            if not glob.glob(os.path.join(PROJECT, f'tests/*/{span}.*')):
                yield span
        elif re.fullmatch(r'[a-z_0-9]+(\.[a-z_0-9*]+)+', span) and \
                not re.search(r'\.(c|h|ko|so|md|sh|py|txt|map|dot|config|ini)\b',
                              span):
            parts = {part for part in span.split('.') if '*' not in part}
            if not parts <= tests and not parts <= kernel:
                yield span


def groups():
    return set(re.findall(r'_group\(NAME ([\w-]+)', ''.join(
        read(path) for path in
        glob.glob(os.path.join(PROJECT, 'tests/*/CMakeLists.txt')))))


def commands():
    main = read(os.path.join(PROJECT, 'run')).split('main()')[1]
    return {'vm'} | set(re.findall(r'^\t([a-z-]+)\) run_', main, re.MULTILINE))


def options():
    """The options of all commands."""
    of_vm = re.findall(r"Option\('([a-z-]+)'",
                       read(os.path.join(PROJECT, 'vm/host/options.py')))
    return {'--' + name for name in of_vm} | set(re.findall(r'--[a-z-]+', ''.join(
        read(os.path.join(PROJECT, path)) for path in
        ('run', 'tests/stress/stress.sh', 'tests/mutants/run.py', 'perf/bench.sh'))))


def missing_commands(page):
    """./run COMMAND and its options, and ./run test GROUP."""
    for line in re.findall(r'\./run ([a-z].*?)(?:`|$|;|#)', text_of(page),
                           re.MULTILINE):
        command, *arguments = line.split(' -- ')[0].split()
        if command.strip('.,:)') not in commands():
            yield f'./run {command}'
        for option in arguments:
            if option.startswith('--') and option.strip('.,:;)[]') not in options():
                yield f'./run {command} {option}'
        for name in arguments if command == 'test' else ():
            # "short" is the quick run.
            if re.fullmatch(r'[a-z-]+', name) and name[0] != '-' and \
                    name not in {*groups(), 'short'}:
                yield f'./run test {name}'


def check_names(tap, linux):
    known = words([*source_files(), *glob.glob(
        os.path.join(linux, 'drivers/infiniband/sw/rxe/*'))])
    tests = words(path for path in source_files() if '/tests/' in path)
    kernel = words(path for path in source_files() if '/kernel/' in path)
    for page in pages():
        tap.equal(f'{page}: no line is too long', long_lines(page), [])
        tap.equal(f'{page}: files', sorted(missing_files(page)), [])
        tap.equal(f'{page}: functions',
                  sorted(set(missing_functions(page, known))), [])
        tap.equal(f'{page}: names', sorted(set(missing_constants(page, known))),
                  [])
        tap.equal(f'{page}: tests', sorted(missing_tests(page, tests, kernel)), [])
        tap.equal(f'{page}: commands', sorted(set(missing_commands(page))), [])


def check_groups(tap):
    plan = text_of('docs/test-plan.md').split('## Groups')[1].split('\n## ')[0]
    rows = re.findall(r'^(?:\* - |\| )`([\w-]+)`', plan, re.MULTILINE)
    tap.equal('test-plan.md has each group, once', sorted(rows),
              sorted(groups()))


def check_locks(tap):
    """Each lock with a name of its own."""
    names = set(re.findall(
        r'\bDEFINE_(?:SPINLOCK|MUTEX|RWLOCK|RAW_SPINLOCK|SRCU|STATIC_SRCU)'
        r'\((\w+)\)', ''.join(read(path) for path in source_files()
                              if '/kernel/' in path and path.endswith('.c'))))
    tap.equal('locking.md has each lock',
              sorted(names - set(re.findall(r'\w+', text_of('docs/locking.md')))),
              [])


def check_build(tap, linux, folder):
    done = subprocess.run(
        [os.path.join(PROJECT, 'docs/build.sh'), linux, folder], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    tap.point('the book builds without a warning', done.returncode == 0,
              done.stdout)


def main():
    linux, folder = sys.argv[1:3]
    tap = Tap()
    check_names(tap, linux)
    check_groups(tap)
    check_locks(tap)
    if '--names' in sys.argv:
        pass
    elif shutil.which('sphinx-build'):
        check_build(tap, linux, folder)
    else:
        tap.point('the book builds # SKIP sphinx-build is not installed', True)
    tap.done()


main()
