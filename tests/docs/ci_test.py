#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The command blocks of docs/ci.md do what the page says. Runs on the host, and starts the
# virtual machines. Instead of an installed guest, they use that of the build folder.
#
# usage: ci_test.py BUILD [NAME...]
#   BUILD  build folder with the modules
#   NAME   first line of a block without "# "; default: all

import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, '..'), os.path.join(HERE, '../clients')]

from page import Shell, blocks  # noqa: E402
from points import Tap  # noqa: E402

PAGE = 'docs/ci.md'
TIMEOUT = 300

# What a block prints: regular expressions
EXPECTED = {
    'first run': [r'hca_id:\s*rxe0', 'PORT_ACTIVE'],
    'perftest': [r'65536 +100 ', r'# <code>bash -ec .*: passed\n', r'\| rxe0/'],
    'pyverbs': ['pinned 1048576 bytes', 'on demand 1048576 bytes'],
    'UCX': ['(?s)(bytes right, MRs over them: [1-9].*){6}'],
    'Open MPI': ['(?s)(bytes right, MRs over them: [1-9].*){4}'],
    'libfabric': ['(?s)(bytes right, MRs over them: [1-9].*){8}', 'pinned: 1', 'pinned: 0'],
    'my own tests': ['ok 1 - there is a device', 'ok 2 - .*SKIP'],
    'two machines': ['node1: .*65536 +100 ', 'node2: .*65536 +100 '],
    'Open MPI, two machines': ['(?s)(bytes right, MRs over them: [1-9].*){4}'],
}

PROGRAM = '''\
#!/bin/sh
command=$1
shift
exec {project}/vm/peermem-vm $command --guest {build} "$@"
'''


def prepare(folder, build):
    """The folder of the source, as far as the page uses it, and an installed peermem-vm."""
    for name in 'examples', 'include':
        os.symlink(f'{PROJECT}/{name}', f'{folder}/{name}')
    os.mkdir(f'{folder}/bin')
    with open(f'{folder}/bin/peermem-vm', 'w', encoding='utf-8') as file:
        file.write(PROGRAM.format(project=PROJECT, build=build))
    os.chmod(f'{folder}/bin/peermem-vm', 0o755)
    os.environ['PATH'] = f'{folder}/bin:{os.environ["PATH"]}'
    os.chdir(folder)


def missing(name, text):
    return [want for want in EXPECTED.get(name, ['a test of this block'])
            if not re.search(want, text)]


def main():
    build, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    tap = Tap()
    found = list(blocks(os.path.join(PROJECT, PAGE)))
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder, build)
        shell = Shell(TIMEOUT)
        for _, name, commands in found:
            if names and name not in names:
                continue
            shutil.rmtree(f'{folder}/results', ignore_errors=True)
            status, text = shell.run(commands)
            tap.point(f'{PAGE}: {name}', status == 0 and not missing(name, text),
                      f'status {status}, missing {missing(name, text)}',
                      *text.splitlines()[-60:])
        os.chdir('/')
    tap.equal('the page has the blocks', [name for _, name, _ in found], list(EXPECTED))
    tap.done()


main()
