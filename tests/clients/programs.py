# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a program as server and as client, over 10.0.0.1, until it exits or is
# stopped.

import os
import subprocess
import time

# Standard input of the programs: an ucx_perftest that is built with MPI, as that of
# Debian 13, takes anything but a terminal as a sign that mpirun has started it.
MASTER, TERMINAL = os.openpty()

# Seconds, for emulation on a busy host.
TIMEOUT = 90


def is_listening(port):
    return subprocess.run(['ss', '-Htln', f'sport = {port}'], text=True,
                          capture_output=True, check=True).stdout != ''


class Pair:
    """A server and a client. The address is added to the client's arguments."""

    def __init__(self, server, client, port, env=None):
        self.server = self.start(server, env)
        for _ in range(200):
            if is_listening(port) or self.server.poll() is not None:
                break
            time.sleep(0.05)
        self.client = self.start(client + ['10.0.0.1'], env)

    @staticmethod
    def start(command, env):
        return subprocess.Popen(command, env=env, text=True,
                                errors='replace', stdin=TERMINAL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def stop(self):
        self.client.kill()
        self.server.kill()

    def finish(self):
        """Return (both succeeded, output). If the client has failed, the server
        is killed after 2 s, because it may wait forever."""
        text = ''
        good = True
        for program in (self.client, self.server):
            try:
                output = program.communicate(timeout=TIMEOUT if good else 2)[0]
            except subprocess.TimeoutExpired:
                program.kill()
                output = program.communicate()[0] + 'timed out\n'
            good = good and program.returncode == 0
            text += f'{program.args}: status {program.returncode}\n{output}'
        return good, text


def run_pair(server, client, port, env=None):
    return Pair(server, client, port, env).finish()
