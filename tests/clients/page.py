# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the commands of a page of the documentation, as a user who copies one block
# after the other into a shell.

import os
import re
import signal
import subprocess
import tempfile

BLOCK = re.compile(r'^## (?P<section>.*)$|'
                   r'^```sh\n# (?P<name>.*)\n(?P<commands>(?s:.*?))^```$',
                   re.MULTILINE)


def blocks(path):
    """Yield (section, name, commands) of each block marked as "sh". The name is
    its first line, a comment. The section is the heading above it."""
    with open(path, encoding='utf-8') as page:
        text = page.read()
    section = None
    for match in BLOCK.finditer(text):
        if match['section']:
            section = match['section']
        else:
            yield section, match['name'], match['commands']


class Shell:
    """A shell that keeps exported variables from one block to the next. The first
    command that fails ends a block."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.env = dict(os.environ)

    def run(self, commands, **settings):
        """Return (status, output). The status is None after a timeout."""
        with tempfile.NamedTemporaryFile() as left:
            program = subprocess.Popen(
                ['bash', '-ec', f'{commands}\nenv -0 > {left.name}'],
                env={**self.env, **settings}, text=True, errors='replace',
                start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                output = program.communicate(timeout=self.timeout)[0]
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                return None, program.communicate()[0] + 'timed out\n'
            if program.returncode == 0 and not settings:
                env = left.read().decode().split('\0')[:-1]
                self.env = dict(entry.split('=', 1) for entry in env)
        return program.returncode, output
