# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the kernel reports about registrations: trace events, the kernel log and
# counters. Tests use it to prove that a program has used an on-demand MR.

import json
import os
import re
import subprocess

TRACING = '/sys/kernel/tracing/instances/clients'
COUNTERS = '/sys/kernel/mm/memory_peers'

EVENT = re.compile(r'.*: (ib_peer_\w+): (.*)')


class Trace:
    """Records the core's trace events in a "with" block. .events is a list of
    (name, {field: text})."""

    def __enter__(self):
        os.mkdir(TRACING)
        with open(TRACING + '/events/ib_peer_mem/enable', 'w',
                  encoding='ascii') as enable:
            enable.write('1')
        self.events = []
        return self

    def __exit__(self, *_):
        with open(TRACING + '/trace', encoding='utf-8') as trace:
            for line in trace:
                event = EVENT.match(line)
                if event:
                    fields = dict(field.split('=', 1)
                                  for field in event.group(2).split())
                    self.events.append((event.group(1), fields))
        os.rmdir(TRACING)

    def named(self, name):
        return [fields for got, fields in self.events if got == name]

    def mrs_with_faults(self):
        """Return the number of MRs with successful faults. Only on-demand MRs
        fault."""
        return len({fields['umem'] for fields in self.named('ib_peer_fault')
                    if fields['ret'] == '0'})

    def pages(self, device):
        """Return the number of published pages, of device or system memory."""
        return sum(int(fields['pages'])
                   for fields in self.named('ib_peer_publish')
                   if fields['ret'] == '0' and
                   fields['device'] == ('1' if device else '0'))


class KernelLog:
    """Records the kernel log in a "with" block. .lines is a list of lines."""

    def __enter__(self):
        self.log = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.log, 0, os.SEEK_END)
        self.lines = []
        return self

    def __exit__(self, *_):
        try:
            while True:
                self.lines.append(os.read(self.log, 8192).decode())
        except BlockingIOError:
            os.close(self.log)

    def failed_registrations(self):
        """Return the messages of failed registrations. Their rate is limited."""
        return [line for line in self.lines
                if 'rxe_reg_user_mr: returned err' in line]


def mr_statistics():
    """Return {MR number: {counter: value}} of all on-demand MRs."""
    text = subprocess.run(['rdma', '-j', 'statistic', 'show', 'mr'], text=True,
                          capture_output=True, check=True).stdout
    return {entry['mrn']: entry for entry in json.loads(text or '[]')
            if 'page_faults' in entry}


def exporter_counters(exporter='peer_vram'):
    directory = f'{COUNTERS}/{exporter}'
    counters = {}
    for name in os.listdir(directory):
        if name.startswith('num_'):
            with open(f'{directory}/{name}', encoding='ascii') as file:
                counters[name] = int(file.read())
    return counters
