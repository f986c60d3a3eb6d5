# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""One virtual machine: its process, and its ports on the host.

The output of the command has ports of its own and is never mixed with kernel messages.
The machine ends when this program ends, for whatever reason.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import threading
import time

from . import initrd, qemu
from .report import Failure, say
from .verdict import End

PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Output(threading.Thread):
    """Copies a FIFO to a file descriptor, and to a file if there is one."""

    def __init__(self, fifo, target, path, prefix):
        super().__init__(daemon=True)
        self.source = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.target = target
        self.file = open(path, 'wb') if path else None   # noqa: SIM115  # closed by run()
        self.prefix = prefix
        self.rest = b''
        self.unread = False
        self.machine_ended = threading.Event()

    def run(self):
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        while True:
            ended = self.machine_ended.is_set()
            events = poll.poll(50)
            if events and events[0][1] & select.POLLIN:
                self.copy(os.read(self.source, 1 << 16))
            elif events or ended:
                break
        self.write(self.rest)
        os.close(self.source)
        if self.file:
            self.file.close()

    def copy(self, data):
        if self.file:
            self.file.write(data)
            self.file.flush()
        if not self.prefix:
            self.write(data)
            return
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.write(b''.join(self.prefix + line + b'\n' for line in lines))

    def write(self, data):
        """If nobody reads any more, Machine.is_unread() says so."""
        while data and not self.unread:
            try:
                data = data[os.write(self.target, data):]
            except BrokenPipeError:
                self.unread = True

    def finish(self):
        self.machine_ended.set()
        self.join()


class Machine:
    """
    process   of QEMU
    ready     has the guest reported "ready"?
    result    exit status of the command, or None if the guest has not reported it
    reason    message of a failure, or ''
    lost      number of files that are discarded, and one of them; or None
    """

    def __init__(self, plan, folder, prefix=b''):
        self.plan = plan
        self.folder = folder        # of the results, or None
        self.prefix = prefix
        self.result, self.reason, self.lost = None, '', None
        self.ready = False
        self.process = None
        self.outputs = []
        self.part = b''
        for name in 'status', 'out', 'err':
            os.mkfifo(f'{plan.work}/{name}')
        for name, size in ('nvme', 64 << 20), ('nvme-old', 8 << 20):
            with open(f'{plan.work}/{name}', 'wb') as disk:
                disk.truncate(size)
        self.status = os.open(f'{plan.work}/status', os.O_RDWR | os.O_NONBLOCK)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f'{plan.work}/input')
        self.listener.listen(1)
        self.input = None
        initrd.make(plan, f'{plan.work}/initrd')

    def start_output(self, name, target, path):
        path = self.folder and f'{self.folder}/{path}'
        output = Output(f'{self.plan.work}/{name}', target, path, self.prefix)
        output.start()
        self.outputs.append(output)

    def start(self):
        """Starts it, also once more after a crash at boot."""
        self.started = time.monotonic()
        self.forget_input()
        # QEMU must not write to the log of an earlier run, which may be open.
        if os.path.exists(self.plan.log):
            os.unlink(self.plan.log)
        with open(self.plan.log, 'wb'):
            pass
        tty = self.plan.options.tty
        if not tty:
            self.start_output('out', 1, 'stdout.txt')
            self.start_output('err', 2, 'stderr.txt')
        with open(f'{self.plan.work}/qemu.log', 'wb') as log:
            try:
                self.process = subprocess.Popen(
                    qemu.command_line(self.plan), preexec_fn=die_with_parent,
                    stdin=None if tty else subprocess.DEVNULL,
                    stdout=None if tty else log, stderr=None if tty else log)
            except FileNotFoundError as error:
                raise Failure(f'{error.filename} is missing; install QEMU (Debian: '
                              'qemu-system-x86, or qemu-system-arm for arm64)') from None

    def forget_input(self):
        """Drops the connection of a machine that has crashed at boot."""
        self.listener.setblocking(False)
        try:
            while True:
                self.listener.accept()[0].close()
        except BlockingIOError:
            self.listener.setblocking(True)

    def messages(self):
        """Reads the complete messages of the status port."""
        try:
            self.part += os.read(self.status, 1 << 16)
        except BlockingIOError:
            pass
        *lines, self.part = self.part.split(b'\n')
        return [line.decode(errors='replace') for line in lines]

    def handle(self, message):
        word, _, rest = message.partition(' ')
        if message == 'ready':
            self.ready = True
            seconds = time.monotonic() - self.started
            say(f'{self.prefix.decode()}ready after {seconds:.1f} s')
        elif word == 'exit' and rest.isdigit():
            self.result = int(rest)
        elif word == 'lost' and ' ' in rest:
            self.lost = rest.split(' ', 1)
        else:
            self.reason = message

    def has_ended(self):
        """Reads what it has reported. Has the machine ended?"""
        # Check before reading, so that the last message is read too.
        ended = self.process.poll() is not None
        for message in self.messages():
            self.handle(message)
        return ended

    def open_input(self):
        """The connection to the port peermem.input, which QEMU made at its start."""
        if not self.input:
            self.input, _ = self.listener.accept()
        return self.input

    def go(self):
        """Tells the guest that all machines are ready."""
        self.open_input().sendall(b'go\n')

    def feed(self):
        """Passes standard input to the command."""
        connection = self.open_input()

        def copy():
            try:
                while data := os.read(0, 1 << 16):
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass        # the machine has ended

        threading.Thread(target=copy, daemon=True).start()

    def is_unread(self):
        """Has the reader of the output gone? Then the run ends, as by SIGPIPE."""
        return any(output.unread for output in self.outputs)

    def kill(self, reason=''):
        self.reason = self.reason or reason
        self.process.kill()

    def finish(self):
        """After the end: waits for the output."""
        self.process.wait()
        for output in self.outputs:
            output.finish()
        self.outputs = []
        self.has_ended()

    def reset(self):
        """Before it is started once more"""
        self.result, self.reason, self.lost = None, '', None
        self.ready, self.part = False, b''

    def close(self):
        """Ends the machine, if it has not ended, and its output."""
        if self.process:
            self.process.kill()
            self.finish()
        os.close(self.status)
        self.listener.close()

    def log(self):
        with open(self.plan.log, 'rb') as file:
            return file.read()

    def lost_at_boot(self):
        """Did an emulated machine crash before its first program? This is an error of the
        emulator (see accel.py), not of anything under test."""
        log = self.log()
        return (self.result is None and not self.reason and self.plan.accel == 'emulation'
                and bool(log) and b'Run /init as init process' not in log)

    def end(self):
        with open(f'{self.plan.work}/qemu.log', encoding='utf-8', errors='replace') as file:
            return End(self.result, self.reason, file.read().splitlines())
