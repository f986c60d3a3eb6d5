#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs commands on the other machines of --nodes, as rsh does, for mpirun.
#
#   node.py serve                     what the other machines run: executes commands
#   node.py run HOST COMMAND...       runs a shell command on a machine. Exit status: that
#                                     of the command; 255 if the machine does not answer
#   node.py stop HOST...              ends node.py serve on machines
#
# One connection is one command: the client sends a line with the command, the server
# frames of a byte (1 output, 2 error output, 0 the end), a length, and data. If the client
# closes the connection, the command is killed. There is no protection: the network has
# no other machines.

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading

PORT = 7471
FRAME = struct.Struct('!BI')
OUTPUT, ERROR, END = 1, 2, 0


def send(connection, lock, kind, data):
    with lock:
        connection.sendall(FRAME.pack(kind, len(data)) + data)


def forward(connection, lock, kind, stream):
    while data := os.read(stream.fileno(), 1 << 16):
        try:
            send(connection, lock, kind, data)
        except OSError:
            return


def kill_if_closed(connection, child):
    """Waits until the client or the command has ended."""
    while child.poll() is None:
        readable, _, _ = select.select([connection], [], [], 0.2)
        if readable and not connection.recv(1):
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            return


def execute(connection, command):
    lock = threading.Lock()
    with subprocess.Popen(['sh', '-c', command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as child:
        threads = [threading.Thread(target=forward, args=(connection, lock, kind, stream))
                   for kind, stream in ((OUTPUT, child.stdout), (ERROR, child.stderr))]
        for thread in threads:
            thread.start()
        kill_if_closed(connection, child)
        for thread in threads:
            thread.join()
        status = child.wait()
    send(connection, lock, END, bytes([status if status >= 0 else 128 - status]))


def handle(connection):
    with connection:
        try:
            line = connection.makefile('rb').readline()
            execute(connection, line.decode(errors='surrogateescape').rstrip('\n'))
        except OSError:
            pass    # the client has ended


def serve():
    with socket.create_server(('', PORT)) as server:
        while True:
            connection, _ = server.accept()
            if connection.recv(4, socket.MSG_PEEK) == b'STOP':
                return 0
            threading.Thread(target=handle, args=(connection,), daemon=True).start()


def receive(connection, size):
    data = b''
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError('the connection has ended')
        data += part
    return data


def run(host, *words):
    # A newline would end the command for the server, and is the same as ";" for a shell.
    command = ' '.join(words).replace('\n', ';')
    try:
        with socket.create_connection((host, PORT), timeout=60) as connection:
            connection.settimeout(None)
            connection.sendall(command.encode(errors='surrogateescape') + b'\n')
            while True:
                kind, size = FRAME.unpack(receive(connection, FRAME.size))
                data = receive(connection, size)
                if kind == END:
                    return data[0]
                stream = sys.stdout if kind == OUTPUT else sys.stderr
                stream.buffer.write(data)
                stream.flush()
    except OSError as error:
        print(f'node.py: {host}: {error}', file=sys.stderr)
        return 255


def stop(*hosts):
    for host in hosts:
        with socket.create_connection((host, PORT), timeout=60) as connection:
            connection.sendall(b'STOP')
    return 0


if __name__ == '__main__':
    name, *arguments = sys.argv[1:]
    sys.exit({'serve': serve, 'run': run, 'stop': stop}[name](*arguments))
