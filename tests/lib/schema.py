#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks a JSON document on standard input against the schema of the command, and that all
# its properties are in the schema. Prints nothing if it is valid.
#
# usage: peermem ... --json | schema.py

import json
import os
import sys

import jsonschema

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    '../../tools/peermem.schema.json')


def closed(schema):
    """Returns the schema of objects that have no other properties."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(part) for name, part in schema.items()}
    if 'properties' in schema and schema.get('type') == 'object' and 'allOf' not in schema:
        schema.setdefault('additionalProperties', False)
    return schema


def main():
    with open(PATH, encoding='utf-8') as file:
        schema = closed(json.load(file))
    for line in jsonschema.Draft7Validator(schema).iter_errors(json.load(sys.stdin)):
        print(f'{"/".join(map(str, line.path))}: {line.message}')


main()
