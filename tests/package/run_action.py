#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the steps of a composite GitHub action as a runner does: inputs and their defaults,
# conditions, environment, the files GITHUB_*, and "shell: bash". Expressions are those that
# peermem's action has: inputs.NAME, alone in a value, or compared in a condition. An
# expression in the text of a script is an error, because a runner would paste the input
# into the script. Ends with the exit status of the first step that fails.
#
# usage: run_action.py ACTION.YML NAME=VALUE...
#
# GITHUB_STEP_SUMMARY and GITHUB_WORKSPACE can be set; the default is a temporary file and
# the current folder.

import os
import re
import subprocess
import sys
import tempfile

import yaml

INPUT = re.compile(r'\$\{\{\s*inputs\.([\w-]+)\s*\}\}')
CONDITION = re.compile(r"inputs\.([\w-]+)\s*(==|!=)\s*'([^']*)'")
FILES = ('GITHUB_ENV', 'GITHUB_PATH', 'GITHUB_OUTPUT', 'GITHUB_STATE')


def all_inputs(action, given):
    """The inputs, with defaults. Ends if one is unknown or missing."""
    declared = action['inputs']
    for name in given:
        if name not in declared:
            sys.exit(f'unexpected input {name}')
    inputs = {name: str(given.get(name, what.get('default', '')))
              for name, what in declared.items()}
    for name, what in declared.items():
        # A runner does not check this, so the action has to.
        if what.get('required') and name not in given:
            print(f'warning: the input {name} is required', file=sys.stderr)
    return inputs


def expand(text, inputs):
    value = INPUT.sub(lambda match: inputs[match[1]], str(text))
    if '${{' in INPUT.sub('', str(text)):
        sys.exit(f'unknown expression: {text}')
    return value


def is_wanted(step, inputs):
    condition = step.get('if')
    if condition is None:
        return True
    match = CONDITION.fullmatch(condition)
    if not match:
        sys.exit(f'unknown condition: {condition}')
    return (inputs[match[1]] == match[3]) == (match[2] == '==')


def read_variables(path):
    """The lines NAME=VALUE of a file GITHUB_ENV."""
    with open(path, encoding='utf-8') as file:
        return dict(line.rstrip('\n').split('=', 1) for line in file if '=' in line)


def read_lines(path):
    with open(path, encoding='utf-8') as file:
        return file.read().splitlines()


def run_step(step, inputs, env, work):
    if step.get('shell') != 'bash':
        sys.exit('only "shell: bash" is known')
    if '${{' in step['run']:
        sys.exit(f'an expression in the text of a script: {step["run"]}')
    script = f'{work}/script.sh'
    with open(script, 'w', encoding='utf-8') as file:
        file.write(step['run'])
    for name in FILES:
        with open(f'{work}/{name}', 'w', encoding='utf-8'):
            env[name] = f'{work}/{name}'
    settings = {name: expand(value, inputs) for name, value in step.get('env', {}).items()}
    print(f'##[group]{step.get("name", "Run")}', flush=True)
    status = subprocess.run(
        ['bash', '--noprofile', '--norc', '-eo', 'pipefail', script], check=False,
        stdin=subprocess.DEVNULL, env={**env, **settings}, cwd=env['GITHUB_WORKSPACE'],
    ).returncode
    env.update(read_variables(env['GITHUB_ENV']))
    for folder in read_lines(env['GITHUB_PATH']):
        env['PATH'] = f'{folder}:{env["PATH"]}'
    return status


def environment(path, work):
    env = dict(os.environ, CI='true', GITHUB_ACTIONS='true', RUNNER_OS='Linux',
               RUNNER_TEMP=work, GITHUB_ACTION_PATH=os.path.dirname(os.path.abspath(path)))
    env.setdefault('RUNNER_ENVIRONMENT', 'self-hosted')
    env.setdefault('GITHUB_WORKSPACE', os.getcwd())
    if 'GITHUB_STEP_SUMMARY' not in env:
        env['GITHUB_STEP_SUMMARY'] = f'{work}/summary.md'
        with open(env['GITHUB_STEP_SUMMARY'], 'w', encoding='utf-8'):
            pass
    return env


def main():
    path = sys.argv[1]
    with open(path, encoding='utf-8') as file:
        action = yaml.safe_load(file)
    if action['runs']['using'] != 'composite':
        sys.exit('it is no composite action')
    inputs = all_inputs(action, dict(word.split('=', 1) for word in sys.argv[2:]))
    with tempfile.TemporaryDirectory() as work:
        env = environment(path, work)
        for step in action['runs']['steps']:
            if not is_wanted(step, inputs):
                continue
            status = run_step(step, inputs, env, work)
            if status:
                print(f'##[error]Process completed with exit code {status}.')
                return status
    return 0


sys.exit(main())
