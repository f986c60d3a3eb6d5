#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Probes the private interface between the installed librxe and libibverbs, and generates
# what the overlay provider is built with, from the files of the package libibverbs-dev:
#   FOLDER/layout.h      slots in the table of operations, and names
#   FOLDER/symbols       for objcopy: new names of the symbols that librxe calls
#   FOLDER/rxe.o         librxe as an object file with these names
#
# The probe verifies all that the overlay relies on. The table of operations of librxe
# must have the size of libibverbs' own, and each operation must be in the slot where
# libibverbs has the operation of that name. The shared libibverbs must export each
# private function that librxe or the overlay calls, for drivers of librxe's version.
# If a check fails, the script prints it and exits with status 1.
#
# usage: probe_abi.py librxe-rdmavNN.a libibverbs.a libibverbs.so FOLDER
#
# Environment: OBJCOPY is the objcopy to use (default: objcopy).

import os
import re
import subprocess
import sys
from collections import defaultdict

POINTER_SIZE = 8

# Operations that the overlay adds or wraps.
OPERATIONS = ('advise_mr', 'create_cq', 'create_cq_ex', 'create_qp_ex',
              'destroy_cq', 'destroy_qp', 'modify_qp', 'reg_dmabuf_mr',
              'rereg_mr', 'resize_cq')

# Private functions of libibverbs that the overlay calls.
PRIVATE_FUNCTIONS = ('ibv_cmd_advise_mr', 'ibv_cmd_reg_dmabuf_mr',
                     'ibv_cmd_rereg_mr', 'verbs_set_ops')

# Functions that librxe calls and that the overlay replaces.
REDIRECTED = {'mmap': 'overlay_mmap', 'mmap64': 'overlay_mmap',
              'pthread_spin_init': 'overlay_spin_init'}


class ProbeError(Exception):
    pass


def require(condition, text):
    if not condition:
        raise ProbeError(text)


def run(*command, **options):
    done = subprocess.run(command, check=False, capture_output=True,
                          env={**os.environ, 'LC_ALL': 'C'}, **options)
    require(done.returncode == 0, f'{" ".join(command)}: '
            + done.stderr.decode(errors='replace').strip())
    return done.stdout


class ObjectFile:
    """The symbols and relocations of an object file, as readelf prints them."""

    def __init__(self, path):
        self.path = path
        self.symbols = []
        self.relocations = defaultdict(dict)    # [section][offset]
        self.sections = {}                      # name by number
        self._read_sections()
        self._read_symbols()
        self._read_relocations()

    def _readelf(self, option):
        return run('readelf', '-W', option, self.path).decode().splitlines()

    def _read_sections(self):
        for line in self._readelf('-S'):
            found = re.match(r'\s*\[\s*(\d+)\]\s+(\S+)', line)
            if found:
                self.sections[found[1]] = found[2]

    def _read_symbols(self):
        for line in self._readelf('-s'):
            fields = line.split()
            if len(fields) < 7 or not re.fullmatch(r'\d+:', fields[0]):
                continue
            name = fields[7] if len(fields) > 7 else ''
            self.symbols.append({
                'value': int(fields[1], 16), 'size': int(fields[2], 0),
                'kind': fields[3], 'section': fields[6],
                'name': name.split('@')[0]})

    def _read_relocations(self):
        section = None
        for line in self._readelf('-r'):
            found = re.match(r"Relocation section '\.rela(\S+)'", line)
            if found:
                section = found[1]
            found = re.match(r'([0-9a-f]{12,16})\s+([0-9a-f]{12,16})\s+R_\S+'
                             r'\s.* ([-+]) ([0-9a-f]+)$', line)
            if found:
                addend = int(found[3] + found[4], 16)
                self.relocations[section][int(found[1], 16)] = (
                    self.symbols[int(found[2], 16) >> 32], addend)

    def undefined(self):
        return {symbol['name'] for symbol in self.symbols
                if symbol['section'] == 'UND' and symbol['name']}

    def table(self, pattern):
        """A table of functions, as a list of sets of names. An entry has several
        names if the compiler has merged functions with the same code."""
        found = [symbol for symbol in self.symbols
                 if symbol['kind'] == 'OBJECT'
                 and re.fullmatch(pattern, symbol['name'])]
        require(len(found) == 1, f'{self.path}: expected one table {pattern}, '
                f'found {len(found)}')
        start, size = found[0]['value'], found[0]['size']
        relocations = self.relocations[self.sections[found[0]['section']]]
        require(size and size % POINTER_SIZE == 0,
                f'{self.path}: {found[0]["name"]} has {size} bytes, not a '
                f'multiple of {POINTER_SIZE}')
        return [self._functions(relocations.get(offset))
                for offset in range(start, start + size, POINTER_SIZE)]

    def _functions(self, relocation):
        if relocation is None:
            return set()
        symbol, addend = relocation
        if symbol['kind'] != 'SECTION':
            return {symbol['name']}
        return {other['name'] for other in self.symbols
                if other['kind'] == 'FUNC'
                and other['section'] == symbol['section']
                and other['value'] == symbol['value'] + addend}


def extract_member(archive, pattern, folder):
    members = [name for name in run('ar', 't', archive).decode().split()
               if re.fullmatch(pattern, name)]
    require(len(members) == 1,
            f'{archive}: expected one member {pattern}, found {members}')
    path = os.path.join(folder, members[0])
    with open(path, 'wb') as out:
        out.write(run('ar', 'p', archive, members[0]))
    return path


def operation_name(function):
    """The operation that a function implements: poll_cq for rxe_poll_cq."""
    return re.sub(r'^(\w+\d+_)?(rxe_|ibv_cmd_)', '', function)


def same_operation(operation, function):
    return operation == function or operation == function + '_ex'


def check_tables(rxe_ops, core_ops):
    """Checks that each operation of librxe is in the slot of that name."""
    require(len(rxe_ops) == len(core_ops), f'librxe has {len(rxe_ops)} '
            f'operations, libibverbs has {len(core_ops)}')
    for slot, functions in enumerate(rxe_ops):
        require(not functions or any(
            same_operation(operation, operation_name(function))
            for operation in core_ops[slot] for function in functions),
                f'slot {slot} of the table of operations: {functions} in '
                f'librxe, {core_ops[slot]} in libibverbs')


def find_slots(rxe_ops, core_ops):
    slots = {}
    for name in OPERATIONS:
        found = [slot for slot, names in enumerate(core_ops) if name in names]
        # With merged functions the entry of librxe decides.
        if len(found) > 1:
            found = [slot for slot in found
                     if name in map(operation_name, rxe_ops[slot])]
        require(len(found) == 1, f'{name} is in slots {found} of the table of '
                'operations, not in exactly one')
        slots[name] = found[0]
    require(len(set(slots.values())) == len(slots),
            f'two operations have the same slot: {slots}')
    return slots


def private_exports(library, version):
    """The functions that the shared library exports for drivers."""
    names = set()
    for line in run('nm', '-D', '--defined-only', library).decode().splitlines():
        name, _, tag = line.split()[-1].partition('@')
        if tag.lstrip('@') == f'IBVERBS_PRIVATE_{version}':
            names.add(name)
    require(names, f'{library} has no symbols of IBVERBS_PRIVATE_{version}: it '
            'and librxe are of different releases')
    return names


def map_symbols(undefined, exports, register):
    """New names for the symbols that librxe takes from libibverbs."""
    prefixes = {found[1] for name in undefined
                if (found := re.fullmatch(r'(\w+?\d+_\d+_)verbs_set_ops',
                                          name))}
    require(len(prefixes) == 1,
            f'no unique prefix of private symbols in {undefined}')
    prefix = prefixes.pop()
    names = {}
    for name in sorted(undefined):
        if name in REDIRECTED:
            names[name] = REDIRECTED[name]
        elif name.startswith(prefix):
            private = name[len(prefix):]
            require(private in exports,
                    f'libibverbs does not export {private}')
            names[name] = {'verbs_set_ops': 'overlay_set_ops',
                           register: 'overlay_register_driver'}.get(private,
                                                                    private)
    for name in ('overlay_mmap', 'overlay_spin_init', 'overlay_set_ops',
                 'overlay_register_driver'):
        require(name in names.values(),
                f'librxe does not call what becomes {name}')
    for name in PRIVATE_FUNCTIONS:
        require(name in exports, f'libibverbs does not export {name}')
    return names


def write(path, lines):
    with open(path, 'w', encoding='ascii') as out:
        out.write('\n'.join(lines) + '\n')


def probe(rxe_archive, static, shared, folder):
    version = re.search(r'-rdmav(\d+)\.a$', rxe_archive)
    require(version, f'{rxe_archive} is not named librxe-rdmavNN.a')
    register = f'verbs_register_driver_{version[1]}'
    rxe_path = extract_member(rxe_archive, r'.*\.o', folder)
    rxe = ObjectFile(rxe_path)
    core_ops = ObjectFile(extract_member(
        static, r'dummy_ops\.c\.o', folder)).table(r'\w*verbs_dummy_ops')
    rxe_ops = rxe.table('rxe_ctx_ops')
    check_tables(rxe_ops, core_ops)
    slots = find_slots(rxe_ops, core_ops)
    names = map_symbols(rxe.undefined(), private_exports(shared, version[1]),
                        register)
    write(os.path.join(folder, 'layout.h'), [
        '/* Generated by probe_abi.py */',
        f'#define OVERLAY_LIBIBVERBS "{os.path.basename(os.path.realpath(shared))}"',
        f'#define OVERLAY_REGISTER {register}',
        f'#define OVERLAY_OPS {len(core_ops)}',
        *(f'#define OVERLAY_{name.upper()} {slot}'
          for name, slot in slots.items())])
    symbols = os.path.join(folder, 'symbols')
    write(symbols, [f'{old} {new}' for old, new in names.items()])
    run(os.environ.get('OBJCOPY', 'objcopy'), f'--redefine-syms={symbols}', rxe_path,
        os.path.join(folder, 'rxe.o'))


def main():
    if len(sys.argv) != 5:
        sys.exit('usage: probe_abi.py librxe-rdmavNN.a libibverbs.a '
                 'libibverbs.so FOLDER')
    os.makedirs(sys.argv[4], exist_ok=True)
    try:
        probe(*sys.argv[1:])
    except ProbeError as text:
        sys.exit(f'probe_abi.py: {text}\n'
                 'probe_abi.py: cannot build the overlay provider with this '
                 'rdma-core. libibverbs-dev, libibverbs1 and\n'
                 'probe_abi.py: ibverbs-providers must have the same version. '
                 'To build without it: cmake -DPEERMEM_PROVIDER=OFF')


if __name__ == '__main__':
    main()
