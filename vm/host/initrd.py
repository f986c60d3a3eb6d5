# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The initrd of a run: that of the kernel, and what init and guest.sh read."""

import grp
import os
import re
import shlex
import shutil
import subprocess
import sys

from . import cpio, environment, guests

GUEST = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'guest')
SCRIPTS = ('init', 'guest.sh', 'rxe.sh', 'leaks.sh', 'unload.sh', 'counters.sh', 'node.py')
# A line of a shell script that calls mpirun, perhaps with variables set
MPIRUN_LINE = re.compile(r'^\s*(\w+=\S*\s+)*(\S*/)?(mpirun|mpiexec)\s', re.MULTILINE)


def append(kernel, archive, path):
    shutil.copyfile(f'{kernel}/initrd', path)
    with open(path, 'ab') as file:
        file.write(archive.data())


def make_probe(kernel, path):
    """An initrd that reports "ready" and ends; see accel.py."""
    archive = cpio.Archive()
    archive.copy(f'{GUEST}/init')
    archive.file('vm.conf', 'VM_PROBE=1\n')
    append(kernel, archive, path)


def module_rules(guest):
    """Rules that make modprobe load peermem's modules. The host creates them, because in
    the guest each command takes 50 ms under emulation."""
    rules = []
    for name, path in guest.module_files().items():
        depends = subprocess.run(['modinfo', '-F', 'depends', path], capture_output=True,
                                 text=True, check=True).stdout.strip().replace(',', ' ')
        first = f'modprobe -qa {depends} && ' if depends else ''
        rules.append(f'install {name} {first}insmod {path} $CMDLINE_OPTS\n')
    return ''.join(rules)


def identity(options):
    """User, group and other groups of the command; empty for root. As on a host where
    the user may use GPUs, the group render is one of them."""
    if not options.user or os.getuid() == 0:
        return {'VM_UID': '', 'VM_GID': '', 'VM_GROUPS': ''}
    numbers = set(os.getgroups())
    try:
        numbers.add(grp.getgrnam('render').gr_gid)
    except KeyError:
        pass
    return {'VM_UID': os.getuid(), 'VM_GID': os.getgid(),
            'VM_GROUPS': ','.join(map(str, sorted(numbers)))}


def terminal(options):
    if not options.tty:
        return {'VM_ROWS': '', 'VM_COLUMNS': ''}
    size = os.get_terminal_size(sys.stdin.fileno())
    return {'VM_ROWS': size.lines, 'VM_COLUMNS': size.columns}


def same_output():
    """Are standard output and error one file? They keep their order only as one stream."""
    try:
        return os.path.samestat(os.fstat(1), os.fstat(2))
    except OSError:
        return False


def configuration(plan):
    options, guest = plan.options, plan.guest
    values = {
        'VM_KERNEL': guest.version, 'VM_PROBE': '',
        'VM_MODULES': f'{guest.kernel}/lib/modules/{guest.version}',
        'VM_HOST': 'host' if guest.host_root else '', 'VM_OVER': guest.over or '',
        'VM_BUILD': guest.build or '', 'VM_KERNEL_BUILD': guest.modules,
        'VM_CWD': os.getcwd(), 'VM_STOCK': options.stock or '', 'VM_TTY': options.tty or '',
        'VM_TIMEOUT': options.timeout, 'VM_TERM': os.environ.get('TERM', ''),
        'VM_MERGE': '1' if same_output() else '', 'VM_STDIN': options.stdin or '',
        'VM_NET': options.net or '', 'VM_NUMBER': machine_number(plan),
        'VM_NODES': options.nodes, 'VM_MPI': '1' if is_mpi(options) else '',
        'VM_ENV': '' if options.no_env else '1',
        'VM_CMB': '' if options.no_cmb or options.stock else '1',
        'VM_COUNTERS': options.results or '',
    }
    values.update(identity(options))
    values.update(terminal(options))
    return ''.join(f'{name}={shlex.quote(str(value))}\n' for name, value in values.items())


def calls_mpirun(words):
    """Is the command mpirun, or a shell with a line that begins with it?"""
    name = os.path.basename(words[0])
    if name in ('sh', 'bash', 'dash') and '-c' in words[:-1]:
        return bool(MPIRUN_LINE.search(words[words.index('-c') + 1]))
    return name in ('mpirun', 'mpiexec')


def is_mpi(options):
    """Does one machine run the command, over all?"""
    return options.nodes > 1 and calls_mpirun(options.command)


def command(plan):
    if is_mpi(plan.options) and plan.number > 1:
        return ['python3', '/run/peermem/node.py', 'serve']
    return plan.options.command


def machine_number(plan):
    if plan.options.link:
        return plan.options.link.rpartition(':')[2]
    return plan.number


def visible(plan):
    """Folders that the guest sees even if they are below /tmp or /run."""
    paths = [os.getcwd(), plan.guest.modules]
    if plan.guest.build:
        paths += [guests.PROJECT, plan.guest.build]
    return paths


def make(plan, path):
    archive = cpio.Archive()
    for name in SCRIPTS:
        archive.copy(f'{GUEST}/{name}')
    archive.file('vm.conf', configuration(plan))
    archive.file('show', ''.join(f'{folder}\n' for folder in visible(plan)))
    archive.file('writable', ''.join(f'rw{index} {folder}\n'
                                     for index, folder in enumerate(plan.options.rw)))
    archive.file('args', ''.join(f'{word}\0' for word in command(plan)))
    archive.file('env', ''.join(f'{name}={value}\0' for name, value in
                                environment.for_command(plan.options).items()))
    archive.file('modprobe.conf', '' if plan.options.stock else module_rules(plan.guest))
    archive.folder('modules.after')
    for index, module in enumerate(plan.options.module):
        archive.copy(module, f'modules.after/{index}-{os.path.basename(module)}')
    append(plan.guest.kernel, archive, path)
