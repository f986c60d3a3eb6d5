#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Finds out, from the files of the package libibverbs-dev, how the installed
# librxe is tied to the installed libibverbs, and writes what the overlay is made
# with:
#   FOLDER/layout.h      places in the table of operations, and names
#   FOLDER/symbols       for objcopy: what the symbols of librxe are to be called
#   FOLDER/rxe.o         librxe as an object, renamed so
#
# Nothing is taken on trust. The table of operations that librxe hands over must
# have the size of libibverbs' own, and what stands in it must stand where
# libibverbs has the operation of that name; every private function that librxe
# or the overlay calls must be exported by the shared libibverbs, for drivers of
# librxe's version. If something does not agree, this says what, and fails.
#
# usage: derive.py librxe-rdmavNN.a libibverbs.a libibverbs.so FOLDER

import os
import re
import subprocess
import sys
from collections import defaultdict

POINTER = 8

# Operations that the overlay adds, or stands in front of.
WANTED = ('advise_mr', 'create_cq', 'create_cq_ex', 'create_qp_ex', 'destroy_cq',
          'destroy_qp', 'modify_qp', 'reg_dmabuf_mr', 'rereg_mr', 'resize_cq')

# Functions of libibverbs, not of its public interface, that the overlay calls.
CALLED = ('ibv_cmd_advise_mr', 'ibv_cmd_reg_dmabuf_mr', 'ibv_cmd_rereg_mr',
          'verbs_set_ops')

# Calls of librxe that go to the overlay.
TAKEN = {'mmap': 'overlay_mmap', 'mmap64': 'overlay_mmap',
         'pthread_spin_init': 'overlay_spin_init'}


class Disagreement(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Disagreement(text)


def run(*command, **options):
    done = subprocess.run(command, check=False, capture_output=True,
                          env={**os.environ, 'LC_ALL': 'C'}, **options)
    need(done.returncode == 0, f'{" ".join(command)}: '
         + done.stderr.decode(errors='replace').strip())
    return done.stdout


class Object:
    """The symbols and relocations of an object file, as readelf tells them."""

    def __init__(self, path):
        self.path = path
        self.symbols = []
        self.relocations = defaultdict(dict)    # [section][offset]
        self.sections = {}                      # number: name
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
        """A table of functions: ([set of names] by place). Functions with the
        same code may have been made one, which then has several names."""
        found = [symbol for symbol in self.symbols
                 if symbol['kind'] == 'OBJECT'
                 and re.fullmatch(pattern, symbol['name'])]
        need(len(found) == 1, f'{self.path}: not one table {pattern}')
        start, size = found[0]['value'], found[0]['size']
        relocations = self.relocations[self.sections[found[0]['section']]]
        need(size and size % POINTER == 0,
             f'{self.path}: {found[0]["name"]} has {size} bytes')
        return [self._functions(relocations.get(at))
                for at in range(start, start + size, POINTER)]

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


def take_member(archive, pattern, folder):
    members = [name for name in run('ar', 't', archive).decode().split()
               if re.fullmatch(pattern, name)]
    need(len(members) == 1,
         f'{archive}: members {members}, where there should be one {pattern}')
    path = os.path.join(folder, members[0])
    with open(path, 'wb') as out:
        out.write(run('ar', 'p', archive, members[0]))
    return path


def plain(name):
    """The operation that a function is for: rxe_poll_cq is for poll_cq."""
    return re.sub(r'^(\w+\d+_)?(rxe_|ibv_cmd_)', '', name)


def agree(operation, function):
    return operation == function or operation == function + '_ex'


def check_tables(rxe, ours):
    """What librxe has in a place is what libibverbs calls from there."""
    need(len(rxe) == len(ours), f'librxe knows {len(rxe)} operations, '
         f'libibverbs {len(ours)}')
    for place, functions in enumerate(rxe):
        need(not functions or any(agree(operation, plain(function))
                                  for operation in ours[place]
                                  for function in functions),
             f'place {place} of the operations is {functions} in librxe, '
             f'{ours[place]} in libibverbs')


def find_places(rxe, ours):
    places = {}
    for name in WANTED:
        found = [place for place, names in enumerate(ours) if name in names]
        # Made one with another: then librxe's own entry tells which it is.
        if len(found) > 1:
            found = [place for place in found
                     if name in map(plain, rxe[place])]
        need(len(found) == 1, f'{name} is at {found} of the operations')
        places[name] = found[0]
    need(len(set(places.values())) == len(places), f'places meet: {places}')
    return places


def private_exports(library, version):
    """What the shared library exports for drivers."""
    names = set()
    for line in run('nm', '-D', '--defined-only', library).decode().splitlines():
        name, _, tag = line.split()[-1].partition('@')
        if tag.lstrip('@') == f'IBVERBS_PRIVATE_{version}':
            names.add(name)
    need(names, f'{library} has no symbols of IBVERBS_PRIVATE_{version}: it '
         'and librxe are not of one release')
    return names


def rename(undefined, exports, register):
    """What objcopy is to call each symbol that librxe takes from libibverbs."""
    prefixes = {found[1] for name in undefined
                if (found := re.fullmatch(r'(\w+?\d+_\d+_)verbs_set_ops',
                                          name))}
    need(len(prefixes) == 1, f'no prefix of private symbols in {undefined}')
    prefix = prefixes.pop()
    names = {}
    for name in sorted(undefined):
        if name in TAKEN:
            names[name] = TAKEN[name]
        elif name.startswith(prefix):
            private = name[len(prefix):]
            need(private in exports, f'libibverbs does not export {private}')
            names[name] = {'verbs_set_ops': 'overlay_set_ops',
                           register: 'overlay_register_driver'}.get(private,
                                                                    private)
    for name in ('overlay_mmap', 'overlay_spin_init', 'overlay_set_ops',
                 'overlay_register_driver'):
        need(name in names.values(), f'librxe has no call for {name}')
    for name in CALLED:
        need(name in exports, f'libibverbs does not export {name}')
    return names


def write(path, lines):
    with open(path, 'w', encoding='ascii') as out:
        out.write('\n'.join(lines) + '\n')


def derive(rxe_archive, static, shared, folder):
    version = re.search(r'-rdmav(\d+)\.a$', rxe_archive)
    need(version, f'{rxe_archive} is not called librxe-rdmavNN.a')
    register = f'verbs_register_driver_{version[1]}'
    rxe_path = take_member(rxe_archive, r'.*\.o', folder)
    rxe = Object(rxe_path)
    ours = Object(take_member(static, r'dummy_ops\.c\.o', folder)).table(
        r'\w*verbs_dummy_ops')
    theirs = rxe.table('rxe_ctx_ops')
    check_tables(theirs, ours)
    places = find_places(theirs, ours)
    names = rename(rxe.undefined(), private_exports(shared, version[1]),
                   register)
    write(os.path.join(folder, 'layout.h'), [
        '/* Made by derive.py */',
        f'#define OVERLAY_LIBIBVERBS "{os.path.basename(os.path.realpath(shared))}"',
        f'#define OVERLAY_REGISTER {register}',
        f'#define OVERLAY_OPS {len(ours)}',
        *(f'#define OVERLAY_{name.upper()} {place}'
          for name, place in places.items())])
    symbols = os.path.join(folder, 'symbols')
    write(symbols, [f'{old} {new}' for old, new in names.items()])
    run('objcopy', f'--redefine-syms={symbols}', rxe_path,
        os.path.join(folder, 'rxe.o'))


def main():
    if len(sys.argv) != 5:
        sys.exit('usage: derive.py librxe-rdmavNN.a libibverbs.a '
                 'libibverbs.so FOLDER')
    os.makedirs(sys.argv[4], exist_ok=True)
    try:
        derive(*sys.argv[1:])
    except Disagreement as text:
        sys.exit(f'derive.py: {text}\n'
                 'derive.py: the overlay provider cannot be made of this '
                 'rdma-core. Are libibverbs-dev, libibverbs1 and\n'
                 'derive.py: ibverbs-providers of one version? Without the '
                 'overlay: cmake -DPEERMEM_PROVIDER=OFF')


if __name__ == '__main__':
    main()
