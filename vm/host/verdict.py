# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Judges a run: the exit status, and the lines that explain a failure.

Fails closed: without "exit N" on the status port, the result is a failure. Any kernel
warning in the log is a failure too.
"""

from collections import namedtuple

from . import kernel_warnings, report

# How a machine ended: result is the exit status of the command, or None; reason the
# message of a failure, "timeout", or ''; messages what QEMU printed.
End = namedtuple('End', 'result reason messages')
Verdict = namedtuple('Verdict', 'status lines failed')


def explain_warnings(lines, found):
    return ['vm: kernel warnings:', *(lines[index] for index in found),
            'vm: kernel log from the first warning on:', *lines[found[0]:found[0] + 31]]


def before_dump(lines):
    """The lines before the stacks that guest.sh logs shortly before the time limit."""
    for index, line in enumerate(lines):
        if 'sysrq: Show Blocked State' in line:
            return lines[:index]
    return lines


def judge(end, log, timeout):
    """Returns the exit status of peermem-vm, the lines to print, and whether the machine
    failed (not the command)."""
    lines = kernel_warnings.log_lines(log)
    found = kernel_warnings.find(before_dump(lines) if end.reason == 'timeout' else lines)
    log_part = explain_warnings(lines, found) if found else lines[-31:]
    if end.reason == 'timeout':
        return Verdict(report.TIMEOUT, [*log_part, f'vm: timeout after {timeout} s'], True)
    if end.result is None:
        reason = end.reason or 'the machine crashed'
        return Verdict(report.MACHINE, [*end.messages, *log_part, f'vm: {reason}'], True)
    if found:
        return Verdict(report.KERNEL,
                       [*log_part, f'vm: exit status of the command: {end.result}'], True)
    return Verdict(end.result, [], False)
