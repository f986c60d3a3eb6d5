#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The commands of some pages of the book, copied into a shell block by block, succeed
# and print what the page says. Runs in the virtual machine, in the source folder.
#
# A block counts if its language is "sh" and its first line is a comment, which is its
# name. All such blocks of these pages are run, in the order of the page.
#
# usage: pages_test.py [PAGE...], default: all of PAGES

import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, '..'))
sys.path.insert(0, os.path.join(HERE, '../clients'))

from page import Shell, blocks  # noqa: E402
from points import Tap  # noqa: E402

# Compiling a module takes its time under emulation.
TIMEOUT = 280

# What the page says that a block prints: a regular expression. Blocks without one must
# succeed only.
PAGES = {
    'docs/program.md': {
        'run': r'(?s)(written to video memory, all right.*){9}\n\d+\n$',
    },
    'docs/library.md': {
        'build and run': r'memory of peer_vram\non demand, ',
    },
    'docs/monitoring.md': {},
    'docs/exporter-guide.md': {
        'register': r'\n4\n$',
        'test the native example': r'\n# PASSED: ',
    },
    'docs/mappings.md': {},
    'docs/cmb.md': {
        'bind': r'peer_cmb\d: .*buffer, \d+ KiB\n$',
    },
}

# What a page leaves loaded; and peer_vram, to which it may have left no device.
MODULES = ('bar_exporter', 'peer_example', 'peer_maps', 'peer_cmb', 'peer_vram')


class PageShell(Shell):
    """A shell in which a block can leave a program running. Such a program keeps the
    output open, so the output is a file."""

    def run(self, commands, **settings):
        with tempfile.NamedTemporaryFile() as left, \
                tempfile.TemporaryFile() as said:
            program = subprocess.Popen(
                ['bash', '-ec', f'{commands}\nenv -0 > {left.name}'],
                env={**self.env, **settings}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
            try:
                status = program.wait(self.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()
                status = None
            said.seek(0)
            text = said.read().decode(errors='replace')
            if status == 0:
                env = left.read().decode().split('\0')[:-1]
                self.env = dict(entry.split('=', 1) for entry in env)
        return status, text


def restore():
    """The page or the test that follows finds the machine as it was."""
    loaded = subprocess.run(['lsmod'], text=True, capture_output=True).stdout
    for module in MODULES:
        if re.search(rf'^{module}\b', loaded, re.MULTILINE):
            subprocess.run(['rmmod', module], check=False)
    subprocess.run(['modprobe', 'peer_vram'], check=False)


def check_page(tap, path, expected):
    expected = dict(expected)
    shell = PageShell(TIMEOUT)
    found = False
    for _, name, commands in blocks(os.path.join(PROJECT, path)):
        found = True
        status, text = shell.run(commands)
        good = status == 0 and re.search(expected.pop(name, ''), text)
        tap.point(f'{path}: {name}', good, f'status {status}',
                  *text.splitlines()[-40:])
    tap.point(f'{path}: there are blocks, and those expected',
              found and not expected, *expected)


def main():
    tap = Tap()
    # The command, as on a host where peermem is installed.
    os.environ['PATH'] += ':' + os.path.join(os.environ['PEERMEM_BUILD'], 'tools')
    for path in sys.argv[1:] or PAGES:
        check_page(tap, path, PAGES[path])
        restore()
    tap.done()


main()
