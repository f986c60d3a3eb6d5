# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a program as server and as client, over 10.0.0.1, to its end or until it
# is stopped.

import subprocess
import time

# Under emulation, with everything else that runs.
TIMEOUT = 90


def is_listening(port):
    return subprocess.run(['ss', '-Htln', f'sport = {port}'], text=True,
                          capture_output=True, check=True).stdout != ''


class Pair:
    """server and client: the arguments; the client gets the address, too."""

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
                                errors='replace', stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def stop(self):
        self.client.kill()
        self.server.kill()

    def finish(self):
        """(both succeeded, what they said). A server whose client has failed
        may wait for ever: it does not get the chance."""
        text = ''
        good = True
        for program in (self.client, self.server):
            try:
                said = program.communicate(timeout=TIMEOUT if good else 2)[0]
            except subprocess.TimeoutExpired:
                program.kill()
                said = program.communicate()[0] + 'timed out\n'
            good = good and program.returncode == 0
            text += f'{program.args}: status {program.returncode}\n{said}'
        return good, text


def run_pair(server, client, port, env=None):
    return Pair(server, client, port, env).finish()
