#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What runs where ("./run matrix"). A cell is RELEASE/KERNEL/ARCH: a release of Debian as
# host, a series of kernels, and the architecture of the guest. The release of this system
# is used as it is, another one in a folder (in_debian.sh).
#
#   matrix.py run [CELL...]     runs the demo and the quick tests of the plain kernel
#                               configuration in each cell (default: all cells), and
#                               writes the results to matrix.txt and to README.md
#   matrix.py smoke [--fresh] [CELL...]
#                               runs the demo in each cell. Prints TAP. Default: all but
#                               the main cell. With --fresh, the other release is made
#                               anew, with the packages that the demo installs
#   matrix.py prepare [--fresh] [CELL...]
#                               builds what "smoke" needs
#   matrix.py table             prints the table of README.md, made of matrix.txt
#   matrix.py check             checks that README.md has that table. Prints TAP

import argparse
import concurrent.futures
import os
import queue
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.join(HERE, '../..')
RESULTS = os.path.join(HERE, 'matrix.txt')
README = os.path.join(PROJECT, 'README.md')
LOGS = os.path.join(PROJECT, 'build', 'matrix')
NAMES = {'bookworm': 'Debian 12', 'trixie': 'Debian 13'}
PAGES = {'amd64': '4 KiB', 'arm64': '4 KiB', 'arm64-16k': '16 KiB'}
CELLS = ('bookworm/6.12/amd64', 'bookworm/7.3/amd64', 'trixie/6.12/amd64',
         'trixie/7.3/amd64', 'bookworm/6.12/arm64', 'bookworm/6.12/arm64-16k')
MAIN = CELLS[0]
COUNTS = re.compile(r'(\d+) passed, (\d+) failed, (\d+) skipped')
KERNEL = re.compile(r'Report: Soft-RoCE of Linux ([^ ,]+)', re.MULTILINE)
IN_README = re.compile('(<!-- matrix.py table -->\n\n).*?(\n\n<!-- end of the table -->)',
                       re.DOTALL)


def this_release():
    with open('/etc/os-release', encoding='utf-8') as release:
        return re.search(r'VERSION_CODENAME=(\w+)', release.read())[1]


def command(cell, *arguments, fresh=False):
    """The command that calls ./run in a cell. The installed 6.12 of amd64 is what ./run
    takes without an option."""
    release, kernel, arch = cell.split('/')
    if release == this_release():
        line = [os.path.join(PROJECT, 'run')]
    else:
        line = [os.path.join(HERE, 'in_debian.sh'), *['--fresh'] * fresh, release]
    line += arguments
    if kernel != '6.12':
        line += ['--kernel', kernel]
    if arch != 'amd64':
        line += ['--arch', arch]
    return line


def call(cell, *arguments, fresh=False):
    """Calls ./run in a cell. Returns its exit status, its output and the minutes. The
    output is also in a file of the folder build/matrix while it comes."""
    started = time.monotonic()
    os.makedirs(LOGS, exist_ok=True)
    name = '-'.join((*cell.split('/'), *arguments)) + '.log'
    with open(os.path.join(LOGS, name), 'w+', encoding='utf-8', errors='replace') as log:
        status = subprocess.call(command(cell, *arguments, fresh=fresh),
                                 stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=subprocess.STDOUT)
        log.seek(0)
        output = log.read()
    return status, output, (time.monotonic() - started) / 60


def say(text):
    print(text, flush=True)


def show(text, lines):
    """Prints the last lines of a text as comments."""
    for line in text.splitlines()[-lines:]:
        say(f'# {line}')


def this_commit():
    return subprocess.run(['git', '-C', PROJECT, 'rev-parse', '--short=12', 'HEAD'],
                          check=True, capture_output=True, text=True).stdout.strip()


def run_cell(cell):
    """Runs demo and quick tests. Returns the fields of the cell's line in matrix.txt."""
    commit = this_commit()
    status, output, minutes = call(cell, 'demo')
    kernel = KERNEL.search(output)
    fields = [cell, kernel[1] if kernel else '-', 'failed' if status else 'passed',
              f'{minutes:.0f}']
    say(f'{cell}: demo {fields[2]}, {minutes:.1f} min')
    if status:
        show(output, 40)
    status, output, minutes = call(cell, 'test', '--plain', 'short')
    counts = COUNTS.fullmatch(output.rstrip().rpartition('\n')[2])
    fields += counts.groups() if counts else ('0', '1', '0')
    fields.append(f'{minutes:.0f}')
    say(f'{cell}: {fields[4]} passed, {fields[5]} failed, {fields[6]} skipped, '
        f'{minutes:.1f} min')
    for line in output.splitlines():
        if line.startswith('not ok') or ' not ok ' in line:
            say(f'# {line}')
    if not counts:
        show(output, 40)
    return [*fields, commit]


def read_results():
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS, encoding='ascii') as results:
        rows = [line.split() for line in results if not line.startswith('#')]
    return {row[0]: row[1:] for row in rows}


def write_results(rows):
    old = read_results()
    old.update({row[0]: row[1:] for row in rows})
    with open(RESULTS, 'w', encoding='ascii') as results:
        results.write('# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB\n#\n'
                      '# Results of "./run matrix": cell, kernel, demo, its minutes, '
                      'tests passed,\n# failed, skipped, their minutes, commit\n')
        for cell in CELLS:
            if cell in old:
                results.write(' '.join([cell, *old[cell]]) + '\n')


def run(cells):
    rows = []
    for cell in cells:
        rows.append(run_cell(cell))
        write_results(rows)
        write_table()
    return any(row[2] != 'passed' or row[5] != '0' for row in rows)


def call_all(cells, *arguments, fresh=False):
    """Calls ./run in cells, one after the other in each release, but in two releases at a
    time. Yields cell, exit status, output and minutes when they are there."""
    releases = {}
    for cell in cells:
        releases.setdefault(cell.split('/')[0], []).append(cell)
    done = queue.Queue()

    def call_each(same_release):
        for cell in same_release:
            try:
                result = call(cell, *arguments, fresh=fresh and cell == same_release[0])
            except OSError as error:
                result = (1, str(error), 0)
            done.put((cell, *result))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for same_release in releases.values():
            pool.submit(call_each, same_release)
        for _ in range(sum(len(same) for same in releases.values())):
            yield done.get()


def smoke(cells, fresh):
    failed = False
    say(f'1..{len(cells)}')
    results = call_all(cells, 'demo', fresh=fresh)
    for number, (cell, status, output, minutes) in enumerate(results, 1):
        failed |= bool(status)
        say(f'{"not " if status else ""}ok {number} - {cell}')
        say(f'# {minutes:.1f} min')
        show(output, 40 if status else 8)
    return failed


def prepare(cells, fresh):
    """Builds what the demo needs. A failure shows again in the demo."""
    for cell, status, output, minutes in call_all(cells, 'demo', '--build', fresh=fresh):
        say(f'{cell}: {"failed" if status else "built"}, {minutes:.1f} min')
        if status:
            show(output, 40)


def table():
    lines = ['| host | kernel of the guest | pages | demo | quick run: passed, failed, '
             'skipped | commit |', '|---|---|---|---|---|---|']
    results = read_results()
    for cell in CELLS:
        release, kernel, arch = cell.split('/')
        host, pages = NAMES[release], PAGES[arch]
        if cell not in results:
            lines.append(f'| {host} | {kernel} {arch} | {pages} | not run | | |')
            continue
        kernel, demo, _, passed, failed, skipped, _, commit = results[cell]
        lines.append(f'| {host} | {kernel} | {pages} | {demo} | '
                     f'{passed}, {failed}, {skipped} | {commit} |')
    return '\n'.join(lines)


def readme():
    with open(README, encoding='utf-8') as file:
        return file.read()


def with_table(text):
    return IN_README.sub(lambda found: found[1] + table() + found[2], text)


def write_table():
    text = with_table(readme())
    with open(README, 'w', encoding='utf-8') as file:
        file.write(text)


def check():
    text = readme()
    same = bool(IN_README.search(text)) and with_table(text) == text
    print('1..1')
    print(f'{"" if same else "not "}ok 1 - README.md has the table of matrix.txt')
    return not same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('command', choices=('run', 'smoke', 'prepare', 'table', 'check'))
    parser.add_argument('--fresh', action='store_true')
    parser.add_argument('cells', nargs='*', metavar='CELL')
    args = parser.parse_args()
    for cell in args.cells:
        if cell not in CELLS:
            parser.error(f'unknown cell {cell}; the cells are {", ".join(CELLS)}')
    if args.command == 'table':
        print(table())
        return 0
    if args.command == 'check':
        return check()
    if args.command == 'run':
        return run(args.cells or CELLS)
    cells = args.cells or [cell for cell in CELLS if cell != MAIN]
    return (smoke if args.command == 'smoke' else prepare)(cells, args.fresh)


if __name__ == '__main__':
    sys.exit(main())
