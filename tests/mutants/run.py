#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Mutation tests ("./run mutants"). Each mutant puts one fault into a copy of the
# kernel modules, the provider, the library or the tool. The test that is named in the
# mutant's patch must then fail.
#
#   run.py --list [MUTANT...]     prints number, name and test
#   run.py --kernels [MUTANT...]  prints the kernels that these mutants need
#   run.py --build KERNEL=DIRECTORY... [--only-build] [MUTANT...]
#       builds and runs mutants. DIRECTORY is the build directory of the tests for
#       KERNEL. MUTANT is a name or a number; default: all mutants.
#
# Prints TAP: "ok" means that the mutant was killed, which means that its test failed.
# A virtual machine runs many mutants, while the next ones are built. Before each mutant
# the same test has to pass in the same machine with the original modules. If it fails,
# or if the machine is broken, a new machine continues. The output of tests and kernel is
# kept in DIRECTORY/mutants.

import argparse
import collections
import glob
import hashlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..'))

import tap  # noqa: E402  it also lets us import from vm/
from host.tap import POINT  # noqa: E402
from mutant import Malformed, Mutant, PROJECT, HERE, paths  # noqa: E402
from points import Tap  # noqa: E402

VM = os.path.join(PROJECT, 'tests/vm/vm.sh')
# Time limit of a test in seconds; four times as long on the debug kernel. A machine
# without output for GRACE seconds longer hangs.
SECONDS = 150
GRACE = 60
# Time limit for the boot of a machine, in seconds.
BOOT = 300
# Module trees and their modules: as installed, and with hold points.
TREES = {
    'plain': ['core', 'rxe', 'bar', 'vram', 'cmb', 'maps'],
    'hold': ['core'],
}
MODULES = {'core': 'ib_peer_mem', 'rxe': 'rdma_rxe', 'bar': 'ib_peer_bar',
           'vram': 'peer_vram', 'cmb': 'peer_cmb', 'maps': 'peer_maps'}
# Other directories, and the file that tests use of each.
PRODUCTS = {'provider': 'provider/librxe-rdmav*.so',
            'lib': 'lib/libpeermem.so.*.*.*', 'tools': 'tools/peermem'}
# A machine is started when this many mutants are built, because a boot takes seconds.
BATCH = 6


class Failed(Exception):
    pass


def log_line(line):
    print(line, flush=True)


def yield_processors():
    """Gives the session of this process the lowest priority: a test may be running."""
    try:
        with open('/proc/self/autogroup', 'w', encoding='ascii') as file:
            file.write('19')
    except OSError:
        pass
    os.nice(19)


def run(words):
    done = subprocess.run(words, text=True, errors='replace', check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True,
                          preexec_fn=yield_processors)
    if done.returncode:
        raise Failed(done.stdout.strip() or f'{words[0]} failed')


def files_below(folder):
    for parent, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            yield os.path.relpath(os.path.join(parent, name), folder)


def content(path):
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        return None


# ---- building ----


class Copy:
    """A copy of a part of the project, in which mutants are built."""

    def __init__(self, build, kind, sources):
        self.build = build
        self.kind = kind
        self.root = os.path.join(build, 'mutants', kind)
        self.sources = sources
        self.original = self.hash(sources + ['include'])

    @staticmethod
    def hash(folders):
        digest = hashlib.sha256()
        for folder in folders:
            for name in files_below(os.path.join(PROJECT, folder)):
                digest.update(name.encode())
                digest.update(content(os.path.join(PROJECT, folder, name)))
        return digest

    def link(self, *names):
        for name in names:
            path = os.path.join(self.root, name)
            if not os.path.exists(path):
                os.symlink(os.path.join(PROJECT, name), path)

    def restore(self):
        """Restores the original files. Changed files get the present time, so that
        they are built again."""
        for folder in self.sources:
            source = os.path.join(PROJECT, folder)
            copy = os.path.join(self.root, folder)
            wanted = set(files_below(source))
            for name in wanted:
                path, to = os.path.join(source, name), os.path.join(copy, name)
                if content(path) != content(to):
                    os.makedirs(os.path.dirname(to), exist_ok=True)
                    shutil.copy(path, to)
                    os.utime(to)
            for name in set(files_below(copy)) - wanted:
                os.remove(os.path.join(copy, name))

    def keep(self, mutant, folder):
        """Builds a mutant of FOLDER and returns the built file. Uses a file that
        was built before if neither mutant nor sources have changed."""
        out = os.path.join(self.build, 'mutants', mutant.name, self.kind)
        key = os.path.join(out, folder + '.key')
        digest = self.original.copy()
        digest.update(mutant.text.encode())
        digest = digest.hexdigest()
        kept = (content(key) or b'').decode().split('\n')
        if kept[0] == digest and os.path.exists(kept[-1]):
            return kept[-1]
        self.restore()
        try:
            run(['patch', '-p1', '-s', '-F0', '--no-backup-if-mismatch', '-d',
                 self.root, '-i', mutant.path])
            self.make()
        finally:
            self.restore()
        os.makedirs(out, exist_ok=True)
        path = shutil.copy(self.product(folder), out)
        with open(key, 'w', encoding='utf-8') as file:
            file.write(f'{digest}\n{path}')
        return path


class Tree(Copy):
    """The kernel modules."""

    def __init__(self, build, kind):
        super().__init__(build, kind, ['kernel'])
        self.tree = os.path.join(self.root, 'tree')
        self.headers = content(os.path.join(build, 'tests/mutants/headers'))
        if not self.headers:
            raise Failed(f'{build} has no tests: configure it again')
        self.original.update(self.headers)

    def make(self):
        self.link('include')
        folders = TREES[self.kind]
        cmake = os.path.join(PROJECT, 'cmake')
        run([os.path.join(cmake, 'lay-out.sh'), '--linux',
             os.path.join(self.build, 'linux'),
             os.path.join(self.root, 'kernel'), self.tree, *folders])
        hold = ['PEERMEM_HOLD=y'] if self.kind == 'hold' else []
        run([os.path.join(cmake, 'build-modules.sh'),
             self.headers.decode().strip(), self.tree,
             'PEERMEM_MODULES=' + ' '.join(folders), *hold])

    def product(self, folder):
        return os.path.join(self.tree, folder, MODULES[folder] + '.ko')


class Programs(Copy):
    """The provider, the library and the tool."""

    def __init__(self, build, kind):
        super().__init__(build, kind, list(PRODUCTS))
        self.tree = os.path.join(self.root, 'build')

    def make(self):
        self.link('CMakeLists.txt', 'cmake', 'include', 'packaging')
        run(['cmake', '-G', 'Ninja', '-S', self.root, '-B', self.tree,
             '-DPEERMEM_KERNEL_MODULES=OFF', '-DPEERMEM_TESTS=OFF'])
        run(['cmake', '--build', self.tree])

    def product(self, folder):
        return product(self.tree, folder)


def product(build, folder):
    """Returns the file of FOLDER that tests use: a library or a program."""
    found = glob.glob(os.path.join(build, PRODUCTS[folder]))
    if len(found) != 1:
        raise Failed(f'{build}: {len(found)} files match {PRODUCTS[folder]}, want 1')
    return found[0]


class Item:
    """A built mutant, and the command of its test."""

    def __init__(self, mutant, build, trees):
        self.mutant = mutant
        words = mutant.command(build)
        if not words:
            raise Failed(f'no command for {" ".join(mutant.test)}')
        self.command = ' '.join(words)
        self.on_mutant = self.command
        self.modules = []
        self.binds = []
        hold = os.path.join(build, 'kernel-hold/core/ib_peer_mem.ko')
        for folder in MODULES:
            if not mutant.touches(folder):
                continue
            if folder == 'core' and hold in words:
                ko = trees('hold').keep(mutant, folder)
                self.on_mutant = self.command.replace(hold, ko)
            else:
                self.modules.append(trees('plain').keep(mutant, folder))
        for folder in PRODUCTS:
            if mutant.touches(folder):
                path = trees('programs').keep(mutant, folder)
                self.binds.append(f'{path}:{product(build, folder)}')

    def line(self, seconds):
        return '\t'.join([self.mutant.name, str(seconds),
                          ' '.join(self.modules) or '-',
                          ' '.join(self.binds) or '-', self.command,
                          self.on_mutant])


# ---- running ----


class Result:
    """The result of a mutant's test, parsed from the output of the guest."""

    def __init__(self):
        self.unusable = ''      # why the machine cannot run the mutant
        self.began = False
        self.status = None
        self.passed = False     # a test case of the original
        self.warning = ''
        self.line = ''          # first line that reports a failure
        self.ended = ''         # "crash" or "hang" of the machine
        self.started = self.seconds = 0

    def feed(self, line):
        expected = tap.EXPECTED.match(line)
        point = POINT.match(line)
        if expected:
            line = expected.group(1)
        elif point and not point['failed'] and not point['remark']:
            self.passed |= not self.began
            return
        elif not line.startswith('not ok'):
            return
        if not self.line or self.line.startswith('not ok'):
            self.line = line

    def killed_by(self, evidence):
        """Returns what killed the mutant, or an empty string."""
        if self.status:
            return self.line or 'exit status'
        if self.ended and self.ended in evidence:
            return f'{self.ended} of the machine: {self.warning}'
        if self.warning and 'warning' in evidence:
            return self.warning
        return ''


class Machine:
    """A virtual machine in which guest.sh runs a list of items."""

    def __init__(self, build, kernel, items):
        self.seconds = SECONDS * (1 if kernel == 'plain' else 4)
        self.log = os.path.join(build, 'mutants/machine')
        os.makedirs(self.log, exist_ok=True)
        listed = os.path.join(self.log, 'list')
        with open(listed, 'w', encoding='utf-8') as file:
            for item in items:
                print(item.line(self.seconds), file=file)
        self.errors = open(os.path.join(self.log, 'errors'), 'w+',
                           encoding='utf-8', errors='replace')
        self.child = subprocess.Popen(
            [VM, '--timeout', '0', '--results', self.log, '--',
             os.path.join(HERE, 'guest.sh'), listed],
            env=dict(os.environ, PEERMEM_BUILD=build), cwd=PROJECT, text=True,
            errors='replace', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.errors)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.lines.put(line.rstrip('\n'))
        self.lines.put(None)

    def line(self, until):
        """Returns the next line, or None at the end. Raises queue.Empty."""
        return self.lines.get(timeout=max(0.1, until - time.monotonic()))

    def end(self):
        """Stops the machine. Returns the first kernel warning, or an empty string."""
        if self.errors.closed:
            return ''
        self.child.terminate()
        self.child.wait()
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        self.errors.close()
        if tap.KERNEL_WARNINGS in lines:
            return lines[lines.index(tap.KERNEL_WARNINGS) + 1]
        return ''

    def follow(self, item, log):
        """Waits for the next item and returns its result."""
        result = Result()
        until = time.monotonic() + BOOT + self.seconds + GRACE
        while result.status is None:
            try:
                line = self.line(until)
            except queue.Empty:
                result.ended = 'hang'
                break
            if line is None:
                result.ended = 'crash'
                break
            print(line, file=log)
            words = line.split(' ', 3)
            if words[0] == '@begin':
                until = time.monotonic() + self.seconds + GRACE
                result.began = words[2] == 'mutant'
                result.started = time.monotonic()
            elif words[0] == '@warning':
                result.warning = result.warning or line.split(' ', 1)[1]
            elif words[0] == '@unusable':
                result.unusable = line.split(' ', 2)[2]
                break
            elif words[0] == '@end' and words[2] == 'mutant':
                result.status = int(words[3])
            elif words[0] == '@end' and words[3] != '0':
                result.unusable = 'the test fails without the mutant: ' + result.line
                break
            elif words[0] == '@end' and not result.passed:
                result.unusable = 'no test case of that name was run'
                break
            else:
                result.feed(line)
        result.seconds = time.monotonic() - result.started
        return result


def report(tap_out, item, result):
    name = item.mutant.name
    killer = result.killed_by(item.mutant.evidence)
    took = f'{result.seconds:.0f} s'
    if not result.began:
        tap_out.point(f'{name}: not run', False, result.unusable or result.ended)
    elif killer:
        tap_out.point(f'{name}: killed ({took})', True)
        log_line(f'# {killer}')
    else:
        tap_out.point(f'{name}: survived ({took})', False,
                      result.warning or result.ended)


def run_items(build, kernel, items, tap_out):
    """Runs all items, in as many machines as needed."""
    left = collections.deque(items)
    while left:
        machine = Machine(build, kernel, left)
        fresh = True
        while left:
            folder = os.path.join(build, 'mutants', left[0].mutant.name)
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, 'log'), 'w',
                      encoding='utf-8') as log:
                result = machine.follow(left[0], log)
            broken = result.unusable or result.ended
            if broken and not result.began and not fresh:
                break
            if result.ended:
                result.warning = machine.end() or result.warning
            report(tap_out, left.popleft(), result)
            fresh = False
            if broken:
                break
        machine.end()


# ---- command line ----


def select(names):
    every = [Mutant(path) for path in paths()]
    if not names:
        return every
    by_name = {mutant.name: mutant for mutant in every}
    by_name.update((str(n), mutant) for n, mutant in enumerate(every, 1))
    for name in names:
        if name not in by_name:
            raise Failed(f'no mutant {name} (see --list)')
    return [by_name[name] for name in names]


class Builder:
    """Builds mutants in a thread, in the given order."""

    def __init__(self, build, mutants):
        self.build = build
        self.mutants = mutants
        self.ready = queue.Queue()
        self.stopped = False
        self.trees = {}
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def tree(self, kind):
        if kind not in self.trees:
            of = Programs if kind == 'programs' else Tree
            self.trees[kind] = of(self.build, kind)
        return self.trees[kind]

    def work(self):
        try:
            for mutant in self.mutants:
                if self.stopped:
                    break
                try:
                    self.ready.put((mutant, Item(mutant, self.build, self.tree)))
                except Failed as failure:
                    self.ready.put((mutant, failure))
        finally:
            self.ready.put(None)

    def stop(self):
        self.stopped = True
        self.thread.join()

    def batches(self, tap_out):
        """Yields lists of items. Reports those mutants that could not be built."""
        items, left = [], len(self.mutants)
        while left:
            entry = self.ready.get()
            if not entry:
                raise Failed(f'{left} mutants were not built')
            left -= 1
            mutant, item = entry
            if isinstance(item, Failed):
                tap_out.point(f'{mutant.name}: not built', False, item)
            else:
                items.append(item)
            if items and (not left or len(items) >= BATCH and self.ready.empty()):
                log_line(f'# {len(self.mutants) - left} of {len(self.mutants)} are built')
                yield items
                items = []


def show(mutants):
    every = [os.path.basename(path) for path in paths()]
    for mutant in mutants:
        number = every.index(mutant.name + '.patch') + 1
        log_line(f'{number:3} {mutant.name}: {mutant.what}')
        if mutant.equivalent:
            log_line(f'      equivalent: {mutant.equivalent}')
        else:
            log_line(f'      {mutant.kernel}: {" ".join(mutant.test)}')


def kernels_of(mutants):
    needed = {mutant.kernel for mutant in mutants if not mutant.equivalent}
    return [kernel for kernel in ('plain', 'debug') if kernel in needed]


def run_all(args, mutants):
    tap_out = Tap()
    builds = dict(build.split('=', 1) for build in args.build)
    for mutant in mutants:
        if mutant.equivalent:
            tap_out.point(f'{mutant.name} # SKIP equivalent', True)
    for kernel in kernels_of(mutants):
        if kernel not in builds:
            raise Failed(f'no build directory for the {kernel} kernel')
        chosen = [mutant for mutant in mutants
                  if not mutant.equivalent and mutant.kernel == kernel]
        # Sorted by test, so that each program is read once.
        chosen.sort(key=lambda mutant: mutant.test)
        builder = Builder(builds[kernel], chosen)
        try:
            for items in builder.batches(tap_out):
                if not args.only_build:
                    run_items(builds[kernel], kernel, items, tap_out)
        finally:
            builder.stop()
    tap_out.done()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--kernels', action='store_true')
    parser.add_argument('--only-build', action='store_true')
    parser.add_argument('--build', action='append', default=[])
    parser.add_argument('mutants', nargs='*')
    args = parser.parse_args()
    try:
        mutants = select(args.mutants)
        if args.list:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            show(mutants)
            return 0
        if args.kernels:
            log_line(' '.join(kernels_of(mutants)))
            return 0
        run_all(args, mutants)
    except (Failed, Malformed) as failure:
        print(f'mutants: {failure}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
