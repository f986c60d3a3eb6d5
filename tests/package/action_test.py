#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The GitHub action and the GitLab template run commands in the virtual machine. A runner is
# not needed: run_action.py runs the steps of the action, and bash the scripts of the
# template. peermem-vm runs from the source folder, with the guest of the build folder, and
# packages are not really installed.
#
# usage: action_test.py BUILD

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, '..'))

from points import Tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
ACTION = f'{PROJECT}/packaging/github/action.yml'
TEMPLATE = f'{PROJECT}/packaging/gitlab/peermem.yml'

TESTS = '''\
echo 1..2
rdma link show rxe0/1 | grep -q ACTIVE && echo ok 1 - active
echo not ok 2 - broken
exit 7
'''

tap = Tap()


def program(folder, name, text):
    with open(f'{folder}/bin/{name}', 'w', encoding='utf-8') as file:
        file.write(f'#!/bin/sh\n{text}\n')
    os.chmod(f'{folder}/bin/{name}', 0o755)


def make_host(folder):
    """A host where peermem-vm is installed, and apt-get records its calls."""
    os.mkdir(f'{folder}/bin')
    program(folder, 'apt-get', f'echo "$@" >> {folder}/apt')
    program(folder, 'sudo', 'exec "$@"')
    program(folder, 'peermem-vm', 'command=$1; shift; '
            f'exec {PROJECT}/vm/peermem-vm $command --guest {BUILD} "$@"')
    for name in 'a.deb', 'b.deb', 'summary':
        with open(f'{folder}/{name}', 'w', encoding='utf-8'):
            pass


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError as error:
        return str(error)


def environment(folder):
    return dict(os.environ, PATH=f'{folder}/bin:{os.environ["PATH"]}',
                GITHUB_STEP_SUMMARY=f'{folder}/summary')


def run(words, folder, **settings):
    done = subprocess.run(words, cwd=folder, env={**environment(folder), **settings},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def failures(path):
    return [case.get('name') for case in xml.etree.ElementTree.parse(path).iter('testcase')
            if case.find('failure') is not None]


def test_action(folder):
    status, text = run([f'{HERE}/run_action.py', ACTION, f'run={TESTS}', 'packages=*.deb',
                        'options=--smp 1\n--timeout 300', 'results=new/results'], folder)
    tap.equal('action: the exit status is that of the command', status, 7, text)
    tap.equal('action: it installs the packages',
              f'{folder}/a.deb {folder}/b.deb' in read(f'{folder}/apt'), True,
              read(f'{folder}/apt'))
    tap.point('action: the options are used', ', 1 processor, ' in text, text)
    summary = read(f'{folder}/summary')
    tap.point('action: the summary is on the page of the job',
              '**2 passed, 1 failed, 0 skipped**, exit status 7' in summary and
              '\n| broken | ' in summary, summary, text)
    tap.equal('action: junit.xml', failures(f'{folder}/new/results/junit.xml'), ['broken'])


def test_template(folder):
    with open(TEMPLATE, encoding='utf-8') as file:
        job = yaml.safe_load(file)['.peermem']
    script = '\n'.join(['set -eo pipefail', *job['before_script'], *job['script']])
    variables = {**job['variables'], 'PEERMEM_RUN': TESTS, 'PEERMEM_PACKAGES': '*.deb',
                 'PEERMEM_OPTIONS': '--smp 1'}
    status, text = run(['bash', '-c', script], folder, **variables)
    tap.equal('template: the exit status is that of the command', status, 7, text)
    tap.equal('template: junit.xml', failures(f'{folder}/peermem-results/junit.xml'),
              ['broken'])


for test in test_action, test_template:
    with tempfile.TemporaryDirectory() as place:
        make_host(place)
        test(place)
tap.done()
