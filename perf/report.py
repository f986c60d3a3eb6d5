#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# report.py [--icount] RAW-FOLDER JSON-FILE
#
# Evaluates the values that bench_guest.sh has written to RAW-FOLDER. Prints each
# value with its target, and writes all values, including the raw ones, to
# JSON-FILE.
#
# A comparison is the ratio of two configurations of one case within one round.
# The result is the median over the rounds. Some targets apply to the value itself.

import argparse
import collections
import json
import os
import platform
import statistics
import sys

# group, case (None: each case that has both configurations), metric,
# configuration, reference configuration (None: the value itself), '<' at most or
# '>' at least, target (None: printed only)
COMPARISONS = [
    ('traffic', None, 'bandwidth', 'host', 'stock-host', '>', 1.00),
    ('traffic', None, 'p50', 'host', 'stock-host', '<', 1.00),
    ('traffic', None, 'bandwidth', 'vram', 'stock-host', '>', 0.99),
    ('traffic', None, 'p50', 'vram', 'stock-host', '<', 1.02),
    ('traffic', None, 'bandwidth', 'host-odp', 'host', '>', 0.98),
    ('traffic', None, 'p50', 'host-odp', 'host', '<', 1.03),
    ('traffic', None, 'bandwidth', 'vram-odp', 'vram', '>', 0.98),
    ('traffic', None, 'p50', 'vram-odp', 'vram', '<', 1.03),
    ('qps', None, 'bandwidth', 'on demand', 'pinned', '>', 0.95),
    *(('register', 'register', 'ns', size, 'empty calls', '<', 2.00)
      for size in ('4 KiB', '1 MiB', '1 GiB', '1 TiB', 'implicit')),
    *(('register', 'register', 'ns', size, '4 KiB', '<', 1.10)
      for size in ('1 MiB', '1 GiB', '1 TiB')),
    *(('register', 'register', 'ns', config, 'empty calls', '<', None)
      for config in ('pinned 4 KiB', 'pinned 5 MiB of VRAM')),
    *(('fault', None, 'ns', config, 'CPU', '<', 2.00)
      for config in ('call', 'call, mapped', 'requester',
                     'requester, mapped', 'responder', 'responder, mapped')),
    *(('fault', None, 'ns', config, 'call', '<', 0.05)
      for config in ('prefetch', 'prefetch, mapped')),
    ('invalidate', None, 'ns', 'MR of 65536', 'exact MR', '<', 1.10),
    ('invalidate', 'per page', 'ns', '65536 pages', '256 pages', '<', 1.10),
    ('invalidate', None, 'ns', '1000 other MRs', '0 other MRs', '<', 1.10),
    ('invalidate', None, 'ns', '100000 other MRs', '0 other MRs', '<', 1.10),
    ('memory', None, 'bytes', 'touched page', None, '<', 16),
    ('memory', 'untouched MR', 'bytes', '1 TiB', '4 KiB', '<', 1.01),
    *(('staging', None, metric, config, 'staged', sense, 1.00)
      for metric, sense in (('ns', '<'), ('bandwidth', '>'))
      for config in ('pinned', 'on demand')),
    ('files', None, 'bandwidth', 'direct', 'bounce', '>', 1.00),
]
TITLES = {
    'traffic': 'Traffic between two buffers of one kind of memory',
    'qps': '8 queue pairs on one MR, WRITE',
    'register': 'Registration and deregistration of on-demand MRs',
    'fault': 'Fault of an MR for a resident page',
    'invalidate': 'Invalidation',
    'memory': 'Kernel memory of on-demand MRs',
    'staging': 'RDMA to VRAM compared with a bounce buffer in host memory',
    'files': 'File I/O with VRAM compared with a bounce buffer',
}


def read_raw(folder):
    """Returns {group: {case: {metric: {config: {round: value}}}}}."""
    def tree():
        return collections.defaultdict(tree)

    results = tree()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding='ascii') as file:
            for line in file:
                row = json.loads(line)
                results[row['group']][row['case']][row['metric']][
                    row['config']][row['round']] = row['value']
    return results


def median(rounds):
    return statistics.median(rounds.values())


def ratio(rounds, base):
    """Returns the median ratio of the rounds that both have, or None."""
    ratios = [value / base[number] for number, value in rounds.items()
              if base.get(number)]
    return statistics.median(ratios) if ratios else None


def is_met(value, sense, target):
    """Compares the value, rounded to the two decimals of the target."""
    value = round(value, 2)
    return value <= target if sense == '<' else value >= target


def compare(results, comparison):
    group, only, metric, config, base, sense, target = comparison
    for case, metrics in results.get(group, {}).items():
        configs = metrics.get(metric, {})
        if only not in (None, case) or config not in configs or \
                base not in (None, *configs):
            continue
        value = median(configs[config])
        against = ratio(configs[config], configs[base]) if base else value
        if against is None:
            continue
        yield {
            'group': group, 'case': case, 'metric': metric, 'config': config,
            'base': base, 'value': value,
            'base_value': median(configs[base]) if base else None,
            'measured': round(against, 4), 'sense': sense, 'target': target,
            'met': None if target is None else
            is_met(against, sense, target),
        }


def number(value, metric):
    if metric == 'bandwidth':
        return f'{value / 1e6:.2f} MB/s'
    if metric == 'bytes':
        return f'{value:.1f} B'
    return f'{value / 1e3:.2f} us'


def print_rows(rows):
    for row in rows:
        text = number(row['value'], row['metric'])
        what = row['config']
        if row['base']:
            what += f", {row['base']}"
            text += f" / {number(row['base_value'], row['metric'])}"
        result = ''
        if row['target'] is not None:
            sense = {'<': '<=', '>': '>='}[row['sense']]
            result = f"{sense} {row['target']:5.2f}  " + \
                ('met' if row['met'] else 'missed')
        print(f"  {row['case']:18} {what:30} {text:>30} "
              f"{row['measured']:8.3f} {result}")


def mark(row):
    if row is None:
        return f"{'-':>8} "
    return f"{row['measured']:8.3f}{' ' if row['met'] else '*'}"


def print_traffic(results, rows):
    """Prints all configurations of a case in one line; * is a missed target."""
    columns = ('host', 'vram', 'host-odp', 'vram-odp')
    index = {(row['case'], row['config'], row['metric']): row for row in rows}
    print(f"  {'':14}{'stock, host':>20}{'host / stock':>20}"
          f"{'vram / stock':>18}{'host-odp / host':>19}"
          f"{'vram-odp / vram':>18}")
    print(f"  {'':14}{'MB/s':>10}{'us':>10}  "
          + 4 * f"{'MB/s':>8} {'us':>8} ")
    for case, metrics in results.items():
        bandwidth = median(metrics['bandwidth']['stock-host']) / 1e6
        latency = median(metrics['p50']['stock-host']) / 1e3
        print(f'  {case:14}{bandwidth:10.2f}{latency:10.1f}  ' + ''.join(
            mark(index.get((case, column, metric)))
            for column in columns for metric in ('bandwidth', 'p50')))
    print(f"  {'mean':36}" + ''.join(
        mean(rows, column, metric)
        for column in columns for metric in ('bandwidth', 'p50')))
    print(f"  {'target':36}" + ''.join(
        target(rows, column, metric)
        for column in columns for metric in ('bandwidth', 'p50')))
    print('  Latency is the median of single operations. * marks a missed target.')


def of_column(rows, config, metric):
    return [row for row in rows
            if row['config'] == config and row['metric'] == metric]


def mean(rows, config, metric):
    value = statistics.geometric_mean(
        row['measured'] for row in of_column(rows, config, metric))
    return f'{value:8.3f} '


def target(rows, config, metric):
    row = of_column(rows, config, metric)[0]
    return f"{row['sense'] + '= ' + format(row['target'], '.2f'):>8} "


def print_report(results, rows):
    for group in TITLES:
        mine = [row for row in rows if row['group'] == group]
        if not mine:
            continue
        met = sum(row['met'] is True for row in mine)
        targets = sum(row['met'] is not None for row in mine)
        print(f'{TITLES[group]}: {met} of {targets} targets met')
        if group == 'traffic':
            print_traffic(results[group], mine)
        else:
            print_rows(mine)
        print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--icount', action='store_true')
    parser.add_argument('raw')
    parser.add_argument('json')
    args = parser.parse_args()
    results = read_raw(args.raw)
    rows = [row for comparison in COMPARISONS
            for row in compare(results, comparison)]
    with open(args.json, 'w', encoding='ascii') as file:
        json.dump({
            'machine': platform.platform(),
            'icount': args.icount,
            'comparisons': rows,
            'raw': results,
        }, file, indent=1)
    print_report(results, rows)
    print(f'All values: {args.json}')
    return 0


sys.exit(main())
