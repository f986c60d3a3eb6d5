#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Parses OpenMetrics text on standard input. Prints the counters of an exporter.
#
# usage: peermem status --openmetrics | metrics.py EXPORTER

import sys

from prometheus_client.openmetrics.parser import text_fd_to_metric_families

values = []
for family in text_fd_to_metric_families(sys.stdin):
    for sample in family.samples:
        if sample.labels == {'exporter': sys.argv[1]}:
            values += [family.name.removeprefix('peermem_'), f'{sample.value:.0f}']
print(*values)
