# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""summary.md in the folder of --results: a run for the web page of a CI system.

Markdown that GitHub and GitLab render. One file for the run, with a section for each
machine if there are several.
"""

import html
import json
import re
import shlex
from collections import namedtuple

from . import kernel_warnings
from .tap import printable

# name: of the machine, or ''; folder: its results; points: (result, name, reason)
Section = namedtuple('Section', 'name folder points')

# GitHub takes 1 MiB of all steps of a job.
MAX_ROWS = 200
MAX_COLUMNS = 300
MAX_TITLE = 80


def shorten(text, limit):
    return text if len(text) <= limit else text[:limit - 3] + '...'


def plain(text, limit=MAX_COLUMNS):
    """Text that Markdown and HTML leave as it is, on one line."""
    text = shorten(printable(' '.join(text.split())), limit)
    return re.sub(r'([\\`*_\[\]|~#])', r'\\\1', html.escape(text, quote=False))


def count(points, result):
    return sum(point[0] == result for point in points)


def counts(points):
    return ', '.join(f'{count(points, result)} {result}'
                     for result in ('passed', 'failed', 'skipped'))


def table(head, rows):
    """The lines of a table, and how many rows are left out."""
    lines = [f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    lines += [f'| {" | ".join(row)} |' for row in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines += ['', f'and {len(rows) - MAX_ROWS} more']
    return [*lines, '']


def failed_cases(points):
    rows = [(plain(name), plain(reason)) for result, name, reason in points
            if result == 'failed']
    return table(('failed', 'reason'), rows) if rows else []


def warnings(folder):
    with open(f'{folder}/kernel.log', 'rb') as file:
        lines = kernel_warnings.log_lines(file.read())
    found = [lines[index].rstrip() for index in kernel_warnings.find(lines)]
    if not found:
        return []
    shown = [html.escape(shorten(printable(line), MAX_COLUMNS)) for line in found[:MAX_ROWS]]
    return [f'Kernel warnings: {len(found)}', '', '<pre>', *shown, '</pre>', '']


def changed_counters(folder):
    try:
        with open(f'{folder}/counters.json', encoding='utf-8') as file:
            counters = json.load(file)['counters']
    except FileNotFoundError:
        return []
    rows = [(plain(name), *(str('-' if value is None else value) for value in both.values()))
            for name, both in counters.items() if both['before'] != both['after']]
    if not rows:
        return []
    return ['<details><summary>Counters that changed</summary>', '',
            *table(('counter', 'before', 'after'), rows), '</details>', '']


def section_lines(section):
    lines = [f'## {section.name}: {counts(section.points)}', ''] if section.name else []
    return [*lines, *failed_cases(section.points), *warnings(section.folder),
            *changed_counters(section.folder)]


def write(folder, command, sections, status):
    """Writes the summary of a run that ends with the exit status."""
    points = [point for section in sections for point in section.points]
    title = shorten(printable(' '.join(shlex.join(command).split())), MAX_TITLE) or 'shell'
    result = 'failed' if status or count(points, 'failed') else 'passed'
    lines = [f'# <code>{html.escape(title)}</code>: {result}', '',
             f'**{counts(points)}**, exit status {status}', '']
    for section in sections:
        lines += section_lines(section)
    with open(f'{folder}/summary.md', 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines))
