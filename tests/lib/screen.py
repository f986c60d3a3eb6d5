#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command on a terminal of 80 columns and 24 lines. Sends keys, one when the screen
# has changed after the one before. Prints the last screen before the last key, and a line
# "exit STATUS". Gives up after 30 seconds without a change.
#
# usage: screen.py KEYS COMMAND...

import os
import pty
import select
import sys

import pyte

SECONDS = 30


def read_some(terminal):
    """Returns output of the command; empty at its end, or if there is none."""
    if not select.select([terminal], [], [], SECONDS)[0]:
        return b''
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b''


def show(screen):
    print('\n'.join(line.rstrip() for line in screen.display).rstrip(), flush=True)


def main():
    keys, command = sys.argv[1], sys.argv[2:]
    pid, terminal = pty.fork()
    if not pid:
        os.environ.update(TERM='linux', COLUMNS='80', LINES='24')
        os.execvp(command[0], command)
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    for number, key in enumerate(keys, 1):
        stream.feed(read_some(terminal))
        # Until it is quiet, the screen is not complete.
        while select.select([terminal], [], [], 0.3)[0]:
            stream.feed(read_some(terminal))
        if number == len(keys):
            show(screen)
        os.write(terminal, key.encode())
    while read_some(terminal):
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(f'exit {status}')


main()
