#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Kernel warnings: lines of the kernel log that make a run fail.

As a program, it reads a log from standard input, prints each warning as LINE-NUMBER:LINE,
and exits 1 if there is none.
"""

import re
import sys

# Lines of the kernel log that make a run fail
WARNINGS = re.compile(
    r'WARNING:|BUG:|BUG |Oops|Kernel panic|KASAN|KCSAN|UBSAN'
    r'|general protection fault|Unable to handle|double fault'
    r'|possible (circular|recursive|irq lock inversion)'
    r'|inconsistent lock state|suspicious RCU usage'
    r'|INFO: trying to register non-static key'
    r'|turning off the locking correctness validator'
    r'|blocked for more than|detected( expedited)? stalls|soft lockup'
    r'|self-detected stall|[Hh]ard LOCKUP'
    r'|refcount_t:|list_(add|del) corruption'
    r'|DMA-API:|stack-protector|scheduling while atomic'
    r'|kmemleak: .*disabled|nobody cared'
    r'|cannot create duplicate filename'
    r'|peermem-(init|guest): ')
# Messages of CONFIG_DMA_API_DEBUG at boot
HARMLESS = re.compile(r'DMA-API: preallocated [0-9]+ debug entries'
                      r'|DMA-API: debugging enabled by kernel config')
# Any other stack trace is a kernel warning too. These messages have a stack trace and are
# harmless: the tests make memory short.
HARMLESS_TRACES = re.compile(r'invoked oom-killer:|FAULT_INJECTION: forcing a failure'
                             r'|page allocation failure:|vmalloc error:')
TRACE_LINES = 20


def log_lines(log):
    """The lines of a kernel log, which may contain any byte."""
    return log.replace(b'\0', b'?').decode(errors='replace').split('\n')


def find(lines):
    """Indexes of the lines that are kernel warnings."""
    found, excused = [], None
    for index, line in enumerate(lines):
        if HARMLESS_TRACES.search(line):
            excused = index
        if HARMLESS.search(line):
            continue
        trace = 'Call Trace:' in line and (excused is None or index > excused + TRACE_LINES)
        if trace or WARNINGS.search(line):
            found.append(index)
    return found


def main():
    lines = log_lines(sys.stdin.buffer.read())
    found = find(lines)
    for index in found:
        print(f'{index + 1}:{lines[index]}')
    return 0 if found else 1


if __name__ == '__main__':
    sys.exit(main())
