# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""One call of "peermem-vm run": starts the machines, follows them, and reports.

The guest boots its own kernel. Its root is the root file system of the host, read-only
over 9p below a tmpfs, so every installed program has the same path as on the host. A guest
of another architecture has a root of its own. init runs in the initrd, guest.sh is process
1 after it.
"""

import os
import shutil
import signal
import sys
import tempfile
import termios
import time

from . import accel, qemu, results, summary
from .machine import Machine
from .report import UsageError, say, show
from .verdict import judge

# Exit statuses of programs that signals end, as shells report them
INTERRUPTED, BROKEN_PIPE = 130, 141


class Interrupted(Exception):
    """Ctrl-C, or another signal that ends the run; or nobody reads the output any more."""


def interrupt(*_):
    raise Interrupted(INTERRUPTED)


def temporary():
    return tempfile.mkdtemp(prefix='peermem-vm.')


class Run:
    """
    folder    of the results: that of --results, or a temporary one
    machines  all machines
    logged    bytes of the kernel log that --verbose has printed
    """

    def __init__(self, options, guest):
        self.options, self.guest = options, guest
        self.work = temporary()
        self.folder = options.results or temporary()
        self.machines = []
        self.keep_folder = bool(options.results)
        self.terminal = termios.tcgetattr(0) if options.tty else None
        self.logged = 0

    def add_machine(self, number, accelerator):
        several = self.options.nodes > 1
        name = f'node{number}'
        folder = f'{self.folder}/{name}' if several else self.folder
        work = f'{self.work}/{number}'
        os.makedirs(f'{folder}/out', exist_ok=True)
        os.mkdir(work)
        traffic = self.options.results and (several or self.options.link)
        plan = qemu.Plan(self.options, self.guest, accelerator, number, work, self.work,
                         f'{folder}/kernel.log', f'{folder}/out',
                         f'{folder}/traffic.pcap' if traffic else None)
        prefix = f'{name}: '.encode() if several else b''
        self.machines.append(Machine(plan, self.options.results and folder, prefix))

    def prepare(self):
        options = self.options
        accelerator = accel.choose(self.guest, options.icount)
        if options.link:
            os.makedirs(options.link.rpartition(':')[0], exist_ok=True)
        if options.vram and os.path.exists(options.vram):
            os.unlink(options.vram)
        results.clear(self.folder)
        for number in range(1, options.nodes + 1):
            self.add_machine(number, accelerator)

    def start(self):
        several = f'{self.options.nodes} machines, each ' if self.options.nodes > 1 else ''
        processors = '1 processor' if self.options.smp == 1 else \
            f'{self.options.smp} processors'
        say(f'booting {self.guest.version} ({several}{self.machines[0].plan.accel}, '
            f'{processors}, {self.options.mem})')
        for machine in self.machines:
            machine.start()

    def show_log(self):
        """Prints what is new in the kernel log of the first machine."""
        with open(self.machines[0].plan.log, 'rb') as log:
            log.seek(self.logged)
            data = log.read()
        self.logged += len(data)
        sys.stderr.buffer.write(data)
        sys.stderr.flush()

    def all_ready(self):
        if self.options.stdin:
            self.machines[0].feed()
        if self.options.nodes > 1:
            for machine in self.machines:
                machine.go()

    def follow(self):
        """Follows the machines until all have ended."""
        limit = self.options.timeout
        deadline = time.monotonic() + limit if limit else None
        waiting = True
        while True:
            ended = [machine.has_ended() for machine in self.machines]
            if self.options.verbose:
                self.show_log()
            if all(ended):
                return
            if waiting and all(machine.ready for machine in self.machines):
                waiting = False
                self.all_ready()
            if any(machine.is_unread() for machine in self.machines):
                raise Interrupted(BROKEN_PIPE)
            if deadline and time.monotonic() >= deadline:
                self.kill('timeout')
            elif self.options.nodes > 1:
                self.end_together(ended)
            time.sleep(0.05)

    def kill(self, reason):
        for machine in self.machines:
            if machine.result is None and machine.process.poll() is None:
                machine.kill(reason)
            else:
                machine.kill()

    def end_together(self, ended):
        """Ends all machines when their commands have ended, or one has failed."""
        if all(machine.result is not None for machine in self.machines):
            self.kill('')
        elif any(end and machine.result is None
                 for machine, end in zip(self.machines, ended)):
            self.kill('another machine failed')

    def run_once(self):
        self.start()
        self.follow()
        for machine in self.machines:
            machine.finish()

    def run(self):
        self.prepare()
        self.run_once()
        if any(machine.lost_at_boot() for machine in self.machines):
            say('the machine crashed during boot; trying once more')
            for machine in self.machines:
                machine.reset()
            self.logged = 0
            self.run_once()
        return self.report()

    def report(self):
        """Prints what went wrong, and writes the results. Returns the exit status."""
        verdicts = [judge(machine.end(), machine.log(), self.options.timeout)
                    for machine in self.machines]
        for machine, verdict in zip(self.machines, verdicts):
            self.report_machine(machine, verdict)
        status = self.exit_status(verdicts)
        if self.options.results:
            self.write_results(verdicts, status)
        if any(verdict.failed for verdict in verdicts):
            self.keep_log()
        return status

    def exit_status(self, verdicts):
        """With several machines, that of the first machine that failed by itself, else of
        the first command that failed."""
        causes = [verdict for machine, verdict in zip(self.machines, verdicts)
                  if verdict.failed and machine.reason != 'another machine failed']
        for verdict in causes + [verdict for verdict in verdicts if verdict.status]:
            return verdict.status
        return 0

    def write_results(self, verdicts, status):
        command, sections = self.options.command, []
        for machine, verdict in zip(self.machines, verdicts):
            points = results.write(machine.folder, command, verdict)
            name = machine.prefix.decode().rstrip(': ')
            sections.append(summary.Section(name, machine.folder, points))
        summary.write(self.folder, command, sections, status)
        failed = [point for section in sections for point in section.points
                  if point[0] == 'failed']
        if failed:
            results.summarize(self.folder, failed)

    def report_machine(self, machine, verdict):
        name = machine.prefix.decode()
        if machine.lost:
            count, first = machine.lost
            say(f'{name}{count} file{"s" if count != "1" else ""} in the current folder '
                f'will be discarded, such as {first}; to keep them: --rw .')
        if verdict.lines and name:
            say(f'{name}failed')
        show(verdict.lines)

    def keep_log(self):
        """Keeps the kernel log of a failed run. Without --results, removes all else."""
        if not self.keep_folder:
            self.keep_folder = True
            for machine in self.machines:
                shutil.rmtree(machine.plan.out, ignore_errors=True)
        for machine in self.machines:
            say(f'the kernel log is in {machine.plan.log}')

    def clean(self):
        for machine in self.machines:
            machine.close()
        if self.terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, self.terminal)
        shutil.rmtree(self.work, ignore_errors=True)
        if not self.keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def results_folder(path):
    """Creates the folder of --results, and returns its path."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UsageError(f'--results {path}: {error.strerror}') from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f'--results {path}: you cannot write to this folder')
    return os.path.realpath(path)


def note_provider(guest):
    """Says what is not there without peermem's provider."""
    if guest.build and not any(name.startswith('librxe-rdmav') and name.endswith('.so')
                               for name in listed(f'{guest.build}/provider')):
        say('the provider is not built: no ibv_advise_mr(), ibv_rereg_mr() and '
            'ibv_reg_dmabuf_mr() for rxe0 (docs/provider.md)')


def listed(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def run(options, guest):
    """Returns the exit status of peermem-vm."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, interrupt)
    if options.results:
        options.results = results_folder(options.results)
    if not options.stock:
        note_provider(guest)
    call = Run(options, guest)
    try:
        return call.run()
    except Interrupted as error:
        if error.args[0] == INTERRUPTED:
            say('interrupted')
        return error.args[0]
    finally:
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
        call.clean()
