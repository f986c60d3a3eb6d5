# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The commands of a page of the documentation, to be run as somebody would who
# copies them, one block after the other, into a shell.

import os
import re
import signal
import subprocess
import tempfile

BLOCK = re.compile(r'^## (?P<section>.*)$|'
                   r'^```sh\n# (?P<name>.*)\n(?P<commands>(?s:.*?))^```$',
                   re.MULTILINE)


def blocks(path):
    """(section, name, commands) of each block marked as "sh". Its name is its
    first line, a comment; the section is the headline it stands below."""
    with open(path, encoding='utf-8') as page:
        text = page.read()
    section = None
    for match in BLOCK.finditer(text):
        if match['section']:
            section = match['section']
        else:
            yield section, match['name'], match['commands']


class Shell:
    """A shell that is copied into: what a block exports is there for the next
    one. The first command that fails ends a block."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.env = dict(os.environ)

    def run(self, commands, **settings):
        """(status, what it said); status is None if it took too long."""
        with tempfile.NamedTemporaryFile() as left:
            program = subprocess.Popen(
                ['bash', '-ec', f'{commands}\nenv -0 > {left.name}'],
                env={**self.env, **settings}, text=True, errors='replace',
                start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                said = program.communicate(timeout=self.timeout)[0]
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                return None, program.communicate()[0] + 'timed out\n'
            if program.returncode == 0 and not settings:
                env = left.read().decode().split('\0')[:-1]
                self.env = dict(entry.split('=', 1) for entry in env)
        return program.returncode, said
