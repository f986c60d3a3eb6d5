#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# report.py [--icount] RAW-FOLDER JSON-FILE
#
# Adds up what bench_guest.sh has measured: prints a table of ratios to the
# stock module on host memory, beside the targets, and writes all numbers, raw
# ones included, to JSON-FILE.

import argparse
import collections
import json
import os
import platform
import statistics
import sys

BASE = 'stock-host'
# Ratios to BASE: bandwidth at least, latency at most.
TARGETS = {'host': (1.00, 1.00), 'vram': (0.99, 1.02)}
METRICS = ('bandwidth', 'p50', 'p99')


def read_raw(folder):
    """{(op, size): {config: [of each round, {metric: [repetitions]}]}}"""
    results = collections.defaultdict(lambda: collections.defaultdict(list))
    names = sorted(os.listdir(folder), key=lambda n: int(n.rsplit('.', 1)[1]))
    for name in names:
        config = name.rsplit('.', 1)[0]
        with open(os.path.join(folder, name), encoding='ascii') as file:
            for line in file:
                row = json.loads(line)
                results[row['op'], row['size']][config].append(
                    {metric: row[metric] for metric in METRICS})
    return results


def round_medians(rounds, metric):
    return [statistics.median(one[metric]) for one in rounds]


def ratio(configs, config, metric):
    """Median over the rounds of the ratio to BASE in the same round."""
    return statistics.median(
        here / base for here, base
        in zip(round_medians(configs[config], metric),
               round_medians(configs[BASE], metric)))


def summarise(results):
    rows = []
    for (op, size), configs in results.items():
        row = {'op': op, 'size': size, 'median': {}, 'ratio': {}}
        for config, rounds in configs.items():
            row['median'][config] = {
                metric: statistics.median(round_medians(rounds, metric))
                for metric in METRICS}
            if config != BASE:
                row['ratio'][config] = {
                    metric: round(ratio(configs, config, metric), 4)
                    for metric in METRICS}
        rows.append(row)
    return rows


def size_name(size):
    for unit, name in ((1 << 20, 'MiB'), (1 << 10, 'KiB')):
        if size >= unit:
            return f'{size // unit} {name}'
    return f'{size} B'


def cell(value, target, at_least):
    good = round(value, 2) >= target if at_least else \
        round(value, 2) <= target
    return f"{value:7.3f}{' ' if good else '*'}"


def print_table(rows):
    print(f"{'':13}{'stock rxe, host':>22}  {'extended, host':>17}"
          f"  {'extended, VRAM':>17}")
    print(f"{'':13}{'MB/s':>11}{'us':>11}  {'MB/s':>8} {'us':>8}"
          f"  {'MB/s':>8} {'us':>8}")
    for row in rows:
        base = row['median'][BASE]
        line = f"{row['op']:6}{size_name(row['size']):>7}" \
               f"{base['bandwidth'] / 1e6:11.2f}{base['p50'] / 1e3:11.1f}"
        for config, (bandwidth, latency) in TARGETS.items():
            ratios = row['ratio'][config]
            line += '  ' + cell(ratios['bandwidth'], bandwidth, True) + \
                    ' ' + cell(ratios['p50'], latency, False)
        print(line)
    targets = '; '.join(
        f'{config}: bandwidth >= {bandwidth:.2f}, latency <= {latency:.2f}'
        for config, (bandwidth, latency) in TARGETS.items())
    print(f'Ratios to the stock module on host memory. Targets: {targets}.')
    print('* missed (at two decimals). Latency is the median of single'
          ' operations.')


def print_overall(rows):
    """One number for each column: the geometric mean over all rows."""
    for config in TARGETS:
        means = [statistics.geometric_mean(
            row['ratio'][config][metric] for row in rows)
            for metric in ('bandwidth', 'p50')]
        print(f'{config:5} over all: bandwidth {means[0]:.3f}, '
              f'latency {means[1]:.3f}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--icount', action='store_true')
    parser.add_argument('raw')
    parser.add_argument('json')
    args = parser.parse_args()
    results = read_raw(args.raw)
    rows = summarise(results)
    with open(args.json, 'w', encoding='ascii') as file:
        json.dump({
            'machine': platform.platform(),
            'icount': args.icount,
            'targets': TARGETS,
            'summary': rows,
            'raw': [{'op': op, 'size': size, 'rounds': configs}
                    for (op, size), configs in results.items()],
        }, file, indent=1)
    print_table(rows)
    print_overall(rows)
    print(f'All numbers: {args.json}')
    return 0


sys.exit(main())
