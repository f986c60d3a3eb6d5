# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The options of "peermem-vm run": one table for parsing, checking and the help."""

import os
import re
import textwrap
from collections import namedtuple

from .report import UsageError

Option = namedtuple('Option', 'name value help')

# Without a value, an option is a switch. Those of LISTS can be repeated.
GROUPS = (
    ('Files and environment', (
        Option('rw', 'DIR', 'what COMMAND writes in folder DIR is kept'),
        Option('env', 'NAME[=VALUE]', 'set an environment variable, or pass one that is not '
               'passed otherwise'),
        Option('no-env', None, 'pass only the variables of --env'),
        Option('stdin', None, 'pass standard input to COMMAND; otherwise it is empty'),
        Option('tty', None, 'run COMMAND on the terminal'),
        Option('user', None, 'run COMMAND as the calling user, not as root'),
        Option('results', 'DIR', 'write to DIR: summary.md, kernel.log, junit.xml, the output, '
               'counters before and after, and out/ ($PEERMEM_OUT in the guest)'),
        Option('timeout', 'S', 'give up after S seconds; 0: never (default 600; shell: 0)'),
        Option('verbose', None, 'print kernel messages on standard error'),
    )),
    ('Network', (
        Option('nodes', 'N', 'start N machines on one private network, node1 to nodeN, and run '
               'COMMAND on each; mpirun and mpiexec run on node1, over all, also as lines '
               'of sh -c'),
        Option('link', 'DIR:N', 'be machine N (1 or 2) of two on a private network, with the '
               'address 10.0.0.N; start the other one with the same DIR'),
        Option('net', 'user', 'let the guest use the network of the host'),
    )),
    ('Guest', (
        Option('kernel', 'K', 'use the kernel of series K (7.3) or of version K'),
        Option('guest', 'FOLDER', 'use the guest in FOLDER: one that "peermem-vm pack" made, or '
               'a build folder'),
        Option('stock', None, 'the distribution\'s rdma_rxe, and no modules of peermem'),
        Option('debug', None, 'the debug kernel (KASAN, lockdep, kmemleak and more); everything '
               'is slower, some operations ten times'),
        Option('module', 'KO', 'load the kernel module in file KO before COMMAND'),
        Option('no-cmb', None, 'do not load peer_cmb'),
    )),
    ('Machine', (
        Option('mem', 'SIZE', 'memory of the guest, e.g. 4G (default 2G, or 4G for some kernels)'),
        Option('smp', 'N', 'number of processors (default 2)'),
        Option('iommu', None, 'emulate an IOMMU and enable it'),
        Option('switch', None, 'put the first NVMe controller and "edu" below a PCI Express '
               'switch'),
        Option('icount', None, 'count instructions instead of time: measurements are exactly '
               'repeatable, but slow; always emulation'),
        Option('vram', 'FILE', 'create FILE: the host sees in it what the memory of '
               '/dev/peer_vram0 has; this is slower'),
    )),
)
# In the source folder only, where guests are built.
CLONE = ('Source folder', (
    Option('kcsan', None, 'the kcsan kernel, which detects data races'),
    Option('arch', 'A', 'architecture of the machine: arm64, or arm64-16k with pages of 16 KiB'),
    Option('no-build', None, 'use the modules in the build folder without building'),
))
LISTS = ('rw', 'env', 'module')
MAX_NODES = 8

INTRODUCTION = '''\
Boots a virtual machine, loads peermem's modules, brings up the RDMA device rxe0
on 10.0.0.1/24 (GID index 1 is RoCE v2), and runs COMMAND in it: as root, in the
current folder, with its arguments and the environment unchanged. Output appears
immediately. The exit status is that of COMMAND. Without COMMAND, it runs a shell.

The guest sees the file system of the host, and can write anywhere. What it writes
is discarded, except in the folders of --rw and in $PEERMEM_OUT (see --results).
'''

ENDING = '''\
Shell, and COMMAND with --tty: Ctrl-] then x ends the machine immediately.

Devices: a PCI device with 256 MiB of memory (ivshmem; VRAM of peer_vram), an NVMe
controller with a 64 MiB controller memory buffer and a disk of 64 MiB, QEMU's
"edu" DMA engine, a network card, and three more NVMe controllers: one with an
old-style (legacy) buffer of 2 MiB, one without a disk, and one without a buffer.

Exit status: that of COMMAND, or
  123  kernel warnings (WARNING, BUG, lockdep, ...); they are printed
  124  timeout
  125  the machine did not boot or crashed, or a process in it does not end; or an
       option is wrong
'''


def groups(clone):
    return GROUPS + (CLONE,) if clone else GROUPS


def usage(call, clone):
    """The help; call is how the program was called."""
    text = [f'Usage: {call} [OPTION...] [--] [COMMAND [ARGUMENT...]]', '', INTRODUCTION]
    for title, options in groups(clone):
        text.append(f'{title}:')
        for option in options:
            left = f'  --{option.name}' + (f' {option.value}' if option.value else '')
            words = textwrap.wrap(option.help, 62)
            if len(left) > 17:
                text.append(left)
                left = ''
            text.append(f'{left:18}{words[0]}')
            text += [' ' * 18 + line for line in words[1:]]
        text.append('')
    if clone:
        text += ['Environment: PEERMEM_BUILD is the build folder (default: build, in the',
                 'source folder).', '']
    return '\n'.join(text) + '\n' + ENDING


class Options:
    """The options of one call, with their defaults, and the command."""

    def __init__(self):
        for _, options in groups(True):
            for option in options:
                default = [] if option.name in LISTS else None
                setattr(self, option.name.replace('-', '_'), default)
        self.command = []
        self.help = False

    def set(self, option, value):
        name = option.name.replace('-', '_')
        if option.name in LISTS:
            getattr(self, name).append(value)
        else:
            setattr(self, name, value)


def parse(arguments, clone):
    """Returns the options, unchecked. Raises UsageError."""
    known = {'--' + option.name: option
             for _, options in groups(clone) for option in options}
    options = Options()
    rest = list(arguments)
    while rest:
        word = rest[0]
        if word == '--':
            rest.pop(0)
            break
        if not word.startswith('-'):
            break
        rest.pop(0)
        if word in ('-h', '--help'):
            options.help = True
            return options
        name, has_value, value = word.partition('=')
        option = known.get(name)
        if not option:
            raise UsageError(f'unknown option {name}')
        if not option.value:
            if has_value:
                raise UsageError(f'{name} takes no value')
            value = True
        elif not has_value:
            if not rest:
                raise UsageError(f'{name} needs a value: {option.value}')
            value = rest.pop(0)
        options.set(option, value)
    options.command = rest
    return options


def number(options, name, low, high, what):
    text = str(getattr(options, name))
    if not re.fullmatch('[0-9]{1,9}', text) or not low <= int(text) <= high:
        raise UsageError(f"invalid --{name} '{text}': expected {what}")
    setattr(options, name, int(text))


def check_numbers(options):
    if options.mem is not None and not re.fullmatch('[1-9][0-9]*[MG]', options.mem):
        raise UsageError(f"invalid --mem '{options.mem}': expected a number and M or G, "
                         'such as 512M or 2G')
    options.smp = options.smp or 2
    number(options, 'smp', 1, 255, 'a number from 1 to 255')
    options.nodes = options.nodes or 1
    number(options, 'nodes', 1, MAX_NODES, f'a number from 1 to {MAX_NODES}')
    if options.timeout is None:
        options.timeout = 600 if options.command else 0
    number(options, 'timeout', 0, 999999999, 'seconds, or 0 for no limit')


def check_network(options):
    if options.link is not None and not re.fullmatch('.+:[12]', options.link):
        raise UsageError(f"invalid --link '{options.link}': expected DIR:1 or DIR:2")
    if options.net not in (None, 'user'):
        raise UsageError(f"invalid --net '{options.net}': expected user")
    chosen = [name for name in ('link', 'net') if getattr(options, name)]
    if options.nodes > 1:
        chosen.insert(0, 'nodes')
    if len(chosen) > 1:
        raise UsageError(f'--{chosen[0]} and --{chosen[1]} exclude each other')
    if options.nodes > 1 and (options.tty or options.stdin or options.vram):
        raise UsageError('--tty, --stdin and --vram are for one machine, not for --nodes')


def folder(path, option):
    """The folder's path, which the guest's scripts and QEMU can handle."""
    full = os.path.realpath(path)
    if not os.path.isdir(full):
        raise UsageError(f'--{option} {path}: there is no such folder')
    if '\n' in full:
        raise UsageError(f'--{option} {path}: the path has a newline, which the '
                         'guest cannot handle')
    return full


def check_files(options):
    options.rw = [folder(path, 'rw') for path in options.rw]
    for path in options.rw:
        if path in ('/', '/run', '/proc', '/sys', '/dev'):
            raise UsageError(f'--rw {path}: the guest needs this folder for itself')
        if not os.access(path, os.W_OK | os.X_OK):
            raise UsageError(f'--rw {path}: you cannot write to this folder')
    for path in options.module:
        if not os.path.isfile(path):
            raise UsageError(f'--module {path}: there is no such file')
    options.module = [os.path.realpath(path) for path in options.module]
    for text in options.env:
        if not re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', text.partition('=')[0]):
            raise UsageError(f"invalid --env '{text}': expected NAME or NAME=VALUE")
        if '=' not in text and text not in os.environ:
            raise UsageError(f'--env {text}: there is no such variable; give a value '
                             f'with --env {text}=VALUE')


def check_command(options, terminal):
    if not options.command:
        if options.nodes > 1:
            raise UsageError('--nodes needs a COMMAND')
        options.tty = True
    if options.tty and options.stdin:
        raise UsageError('--tty and --stdin exclude each other')
    if options.tty and not terminal:
        raise UsageError('a shell and --tty need a terminal; give a COMMAND without --tty')


def check(options, terminal):
    """Checks the values and sets the defaults. Raises UsageError."""
    check_numbers(options)
    check_network(options)
    check_files(options)
    check_command(options, terminal)
