# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The commands of peermem-vm, and how it finds the guest."""

import os
import subprocess
import sys

from . import guests, options as option_table, pack, run
from .report import MACHINE, Failure, UsageError, say

USAGE = '''\
Usage: peermem-vm COMMAND [ARGUMENT...]

  run    run a command or a shell in a virtual machine that has peermem's modules
         loaded and an RDMA device; see peermem-vm run --help
  list   list the guests that are installed
  pack   make a guest from a build folder; see peermem-vm pack --help
'''


def call_name():
    """How the user calls the command "run"."""
    return os.environ.get('PEERMEM_VM_CALL', 'peermem-vm run')


def build_guest(options):
    """Builds the guest in the source folder. "./run guest" prints the build folder, and
    the folder that is laid over the root of the guest."""
    words = [f'{guests.PROJECT}/run', 'guest']
    for name in 'kernel', 'arch':
        if getattr(options, name):
            words += [f'--{name}', getattr(options, name)]
    for name in 'debug', 'kcsan', 'stock', 'no_build':
        if getattr(options, name):
            words.append('--' + name.replace('_', '-'))
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        # It has said why.
        sys.exit(MACHINE)
    build, over = (done.stdout.splitlines() + [''])[:2]
    return guests.of_build(build, options.stock, over or None)


def find_guest(options):
    if options.guest:
        return guests.in_folder(options.guest, options.stock)
    if guests.is_clone():
        return build_guest(options)
    return guests.choose(options.kernel, 'debug' if options.debug else 'plain')


def check_current_folder():
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise Failure('the current folder does not exist any more') from None
    if '\n' in here:
        raise Failure('the path of the current folder has a newline, which the guest cannot '
                      'handle')


def command_run(arguments):
    clone = guests.is_clone()
    options = option_table.parse(arguments, clone)
    if options.help:
        print(option_table.usage(call_name(), clone), end='')
        return 0
    option_table.check(options, os.isatty(0))
    check_current_folder()
    if options.guest and (options.kernel or options.arch):
        raise UsageError('--guest has a kernel; --kernel and --arch are for others')
    guest = find_guest(options)
    options.mem = options.mem or guest.memory
    return run.run(options, guest)


def command_list(arguments):
    if arguments:
        raise UsageError(f"unexpected argument '{arguments[0]}' of list")
    for guest in guests.installed():
        print(f'{guest.version:32}{guest.config:8}{guest.kernel}')
    return 0


COMMANDS = {'run': command_run, 'list': command_list, 'pack': pack.command}


def open_standard_files():
    """A caller may have closed some. Other files must not get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main(arguments):
    open_standard_files()
    os.environ['PATH'] = os.environ.get('PATH', '') + ':/usr/local/sbin:/usr/sbin:/sbin'
    name, rest = (arguments + [''])[0], arguments[1:]
    if name in ('-h', '--help', 'help'):
        print(USAGE, end='')
        return 0
    try:
        if name not in COMMANDS:
            what = f"unknown command '{name}'" if name else 'a command is missing'
            raise UsageError(f'{what}; the commands are {", ".join(COMMANDS)}')
        return COMMANDS[name](rest)
    except UsageError as error:
        say(str(error))
        say(f"see '{call_name() if name == 'run' else 'peermem-vm'} --help'")
        return MACHINE
    except Failure as error:
        say(str(error))
        return MACHINE
