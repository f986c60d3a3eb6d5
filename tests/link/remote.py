#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A remote shell for machines of the tests that trust each other: what ssh is to
# people, and to mpirun.
#
# usage: remote.py serve               does what it is told, until it is told to stop
#        remote.py run HOST WORD...    runs the words there, by a shell; its output,
#                                      its status; 255 if there is nobody
#        remote.py stop HOST
#
# A request is a line, empty for "stop"; the answer is the output, a zero byte,
# and the status.

import socketserver
import socket
import subprocess
import sys
import threading

PORT = 7000
NOBODY = 255


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


def ask(host, command):
    """Passes the output on. Return: the status."""
    answer = b''
    try:
        with socket.create_connection((host, PORT), timeout=10) as connection:
            connection.settimeout(None)
            connection.sendall(command.encode() + b'\n')
            while piece := connection.recv(4096):
                answer += piece
                output, zero, _ = answer.partition(b'\0')
                sys.stdout.buffer.write(output)
                sys.stdout.buffer.flush()
                answer = answer[len(output):] if zero else b''
    except OSError as error:
        print(f'{host}: {error}', file=sys.stderr)
        return NOBODY
    return int(answer[1:] or NOBODY)


def main():
    if sys.argv[1:] == ['serve']:
        return serve()
    if len(sys.argv) > 3 and sys.argv[1] == 'run':
        return ask(sys.argv[2], ' '.join(sys.argv[3:]).replace('\n', ' '))
    if len(sys.argv) == 3 and sys.argv[1] == 'stop':
        ask(sys.argv[2], '')
        return 0
    print('usage: remote.py serve | run HOST WORD... | stop HOST',
          file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
