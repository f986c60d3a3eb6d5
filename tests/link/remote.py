#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A remote shell without authentication, for virtual machines of the tests. mpirun
# uses it instead of ssh.
#
# usage: remote.py serve               executes commands until "stop"
#        remote.py run HOST WORD...    executes a shell command on HOST; prints its
#                                      output and exits with its status, or with 255
#                                      if HOST cannot be reached
#        remote.py stop HOST           ends the server on HOST
#
# Protocol: a request is one line, empty for "stop". The response is the output, a
# zero byte, and the exit status.

import socketserver
import socket
import subprocess
import sys
import threading

PORT = 7000
UNREACHABLE = 255


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        command = self.rfile.readline().decode().rstrip('\n')
        if not command:
            threading.Thread(target=self.server.shutdown).start()
            return
        program = subprocess.Popen(['bash', '-c', command],
                                   stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        while piece := program.stdout.read1(4096):
            self.wfile.write(piece.replace(b'\0', b''))
        self.wfile.write(b'\0%d' % program.wait())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve():
    with Server(('', PORT), Handler) as server:
        server.serve_forever()


def request(host, command):
    """Prints the output of a command on a host. Returns its exit status."""
    response = b''
    try:
        with socket.create_connection((host, PORT), timeout=10) as connection:
            connection.settimeout(None)
            connection.sendall(command.encode() + b'\n')
            while piece := connection.recv(4096):
                response += piece
                output, zero, _ = response.partition(b'\0')
                sys.stdout.buffer.write(output)
                sys.stdout.buffer.flush()
                response = response[len(output):] if zero else b''
    except OSError as error:
        print(f'{host}: {error}', file=sys.stderr)
        return UNREACHABLE
    return int(response[1:] or UNREACHABLE)


def main():
    if sys.argv[1:] == ['serve']:
        return serve()
    if len(sys.argv) > 3 and sys.argv[1] == 'run':
        return request(sys.argv[2], ' '.join(sys.argv[3:]).replace('\n', ' '))
    if len(sys.argv) == 3 and sys.argv[1] == 'stop':
        request(sys.argv[2], '')
        return 0
    print('usage: remote.py serve | run HOST WORD... | stop HOST',
          file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
