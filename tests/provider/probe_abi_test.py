#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# probe_abi.py fails, prints the reason and generates no object file if librxe and
# libibverbs do not match: if the tables of operations differ, or if libibverbs does not
# export a function. The test compiles such libraries after the installed one.
#
# usage: probe_abi_test.py CC, in the folder of the project

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = ['tests', 'provider']

from probe_abi import ObjectFile, extract_member, private_exports  # noqa: E402
from points import Tap  # noqa: E402

tap = Tap()


def run(*command):
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout


LIBDIR = run('pkg-config', '--variable=libdir', 'libibverbs').strip()
RXE = glob.glob(f'{LIBDIR}/librxe-rdmav*.a')[0]
VERSION = RXE.rpartition('rdmav')[2].removesuffix('.a')
STATIC = f'{LIBDIR}/libibverbs.a'
SHARED = f'{LIBDIR}/libibverbs.so'


def compile_table(folder, functions):
    """An archive like libibverbs.a with this table of operations. A name may
    occur twice; a tuple is one function with two names."""
    lines = []
    for number, name in enumerate(dict.fromkeys(functions)):
        first, *others = name if isinstance(name, tuple) else (name,)
        lines.append(f'static int {first}(void) {{ return {number}; }}')
        lines += [f'static int {other}(void) __attribute__((alias("{first}"),'
                  ' used));' for other in others]
    entries = ', '.join(name[0] if isinstance(name, tuple) else name
                        for name in functions)
    lines.append(f'int (*const verbs_dummy_ops[])(void) = {{ {entries} }};')
    source = os.path.join(folder, 'dummy_ops.c')
    with open(source, 'w', encoding='ascii') as out:
        out.write('\n'.join(lines))
    run(sys.argv[1], '-fPIC', '-O1', '-c', source, '-o', source + '.o')
    archive = os.path.join(folder, 'libibverbs.a')
    run('ar', 'rc', archive, source + '.o')
    return archive


def compile_exports(folder, names):
    """A shared library that exports these functions to drivers."""
    source = os.path.join(folder, 'exports.c')
    with open(source, 'w', encoding='ascii') as out:
        out.writelines(f'void {name}(void) {{}}\n' for name in sorted(names))
    script = os.path.join(folder, 'exports.map')
    with open(script, 'w', encoding='ascii') as out:
        out.write(f'IBVERBS_PRIVATE_{VERSION} {{ global: *; }};')
    library = os.path.join(folder, 'libibverbs.so')
    run(sys.argv[1], '-shared', '-fPIC', source, '-o', library,
        f'-Wl,--version-script={script}')
    return library


def probe(rxe, static, shared):
    """Returns the exit status, stderr, and the layout or None."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(['provider/probe_abi.py', rxe, static, shared, out],
                              check=False, capture_output=True, text=True)
        layout = None
        if os.path.exists(f'{out}/rxe.o'):
            with open(f'{out}/layout.h', encoding='ascii') as text:
                layout = [line for line in text if 'LIBIBVERBS' not in line]
        return done.returncode, done.stderr, layout


def accepts(name, want, *inputs):
    status, text, layout = probe(*inputs)
    tap.point(name, status == 0 and layout == want, status, text, layout)


def rejects(name, words, *inputs):
    status, text, layout = probe(*inputs)
    tap.point(name, status == 1 and layout is None and words in text and
              'Traceback' not in text and 'PEERMEM_PROVIDER=OFF' in text,
              status, text, layout)


def swapped(functions, a, b):
    return [{a: b, b: a}.get(name, name) for name in functions]


def merged(functions, a, b):
    """As if the compiler had merged two functions."""
    return [(a, b) if name in (a, b) else name for name in functions]


def test_tables(work, functions, layout):
    def table(changed):
        return RXE, compile_table(work, changed), SHARED

    accepts('the same table', layout, *table(functions))
    accepts('two operations of librxe that libibverbs has merged',
            layout, *table(merged(functions, 'create_cq', 'create_cq_ex')))
    rejects('one more operation', f'{len(functions) + 1}',
            *table(functions[:50] + ['surprise'] + functions[50:]))
    rejects('one operation less', f'{len(functions) - 1}',
            *table(functions[:-1]))
    rejects('operations of librxe in other slots', 'slot ',
            *table(swapped(functions, 'create_cq', 'destroy_cq')))
    rejects('all operations moved by one slot', 'slot ',
            *table(functions[1:] + functions[:1]))
    rejects('no slot for an operation', 'reg_dmabuf_mr is in slots []',
            *table(swapped(functions, 'reg_dmabuf_mr', 'other')))
    rejects('two slots for an operation', 'reg_dmabuf_mr is in slots [',
            *table(merged(functions, 'reg_dmabuf_mr', 'import_pd')))


def test_exports(work, exports):
    for name in 'ibv_cmd_reg_dmabuf_mr', 'ibv_cmd_create_qp':
        rejects(f'a libibverbs without {name}',
                f'libibverbs does not export {name}', RXE, STATIC,
                compile_exports(work, exports - {name}))


def test_archives(work):
    other = os.path.join(work, 'librxe-rdmav99.a')
    shutil.copy(RXE, other)
    rejects('a librxe of another version', 'IBVERBS_PRIVATE_99', other, STATIC,
            SHARED)
    siw = glob.glob(f'{LIBDIR}/libsiw-rdmav*.a')[0]
    wrong = os.path.join(work, os.path.basename(RXE))
    shutil.copy(siw, wrong)
    rejects('a provider that is not librxe', 'expected one table rxe_ctx_ops',
            wrong, STATIC, SHARED)
    empty = os.path.join(work, 'empty')
    os.mkdir(empty)
    rejects('a missing archive', 'librxe', os.path.join(
        empty, os.path.basename(RXE)), STATIC, SHARED)


def main():
    status, text, layout = probe(RXE, STATIC, SHARED)
    tap.point('the installed rdma-core', status == 0, text)
    with tempfile.TemporaryDirectory() as work:
        names = ObjectFile(extract_member(STATIC, r'dummy_ops\.c\.o', work)).table(
            r'\w*verbs_dummy_ops')
        tap.point('each operation has one name',
                  all(len(found) == 1 for found in names), names)
        test_tables(work, [min(found) for found in names], layout)
        test_exports(work, private_exports(SHARED, VERSION))
        test_archives(work)
    tap.done()


main()
