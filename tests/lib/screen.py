#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command on a terminal of 80 columns and 24 lines. Waits until the screen matches
# TEXT, a regular expression, then sends KEY, and so on. Prints the screen before the last
# key, and then "exit STATUS". Gives up after 60 seconds.
#
# usage: screen.py TEXT KEY [TEXT KEY...] -- COMMAND...

import os
import pty
import re
import select
import signal
import sys
import time

import pyte

SECONDS = 60


class Terminal:
    """The command, and what its screen shows."""

    def __init__(self, command):
        self.until = time.monotonic() + SECONDS
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.environ.update(TERM='linux', COLUMNS='80', LINES='24')
            os.execvp(command[0], command)
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)

    def text(self):
        return '\n'.join(line.rstrip() for line in self.screen.display).rstrip()

    def read(self):
        """Takes output of the command. Return: False at its end, or if time is over."""
        left = max(0, self.until - time.monotonic())
        if not select.select([self.file], [], [], left)[0]:
            return False
        try:
            self.stream.feed(os.read(self.file, 65536))
        except OSError:
            return False
        return True

    def wait_for(self, pattern):
        while not re.search(pattern, self.text(), re.DOTALL | re.MULTILINE):
            if not self.read():
                sys.exit(f'the screen does not match {pattern}:\n{self.text()}')

    def send(self, key):
        os.write(self.file, key.encode())

    def wait(self):
        while self.read():
            pass
        if time.monotonic() >= self.until:
            os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def main():
    end = sys.argv.index('--')
    steps = sys.argv[1:end]
    terminal = Terminal(sys.argv[end + 1:])
    for pattern, key in zip(steps[::2], steps[1::2]):
        terminal.wait_for(pattern)
        shown = terminal.text()
        terminal.send(key)
    print(shown)
    print(f'exit {terminal.wait()}')


main()
