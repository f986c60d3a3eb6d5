#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The build of the overlay refuses what does not fit together, says why, and
# leaves nothing to link with: against a libibverbs whose table of operations
# is another one than that of the installed librxe, or that does not export
# what is needed. These are made here, by the compiler, after the real one.
#
# usage: derive_test.py CC, in the folder of the project

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = ['tests', 'provider']

from derive import Object, private_exports, take_member  # noqa: E402
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
    """An archive like libibverbs.a, with this table of operations. A name
    twice is one function twice; a tuple, one with two names."""
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
    """A shared library that exports these to drivers."""
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


def derive(rxe, static, shared):
    """(exit status, what it said, the layout or None)"""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(['provider/derive.py', rxe, static, shared, out],
                              check=False, capture_output=True, text=True)
        layout = None
        if os.path.exists(f'{out}/rxe.o'):
            with open(f'{out}/layout.h', encoding='ascii') as text:
                layout = [line for line in text if 'LIBIBVERBS' not in line]
        return done.returncode, done.stderr, layout


def accepts(name, want, *inputs):
    status, text, layout = derive(*inputs)
    tap.point(name, status == 0 and layout == want, status, text, layout)


def refuses(name, words, *inputs):
    status, text, layout = derive(*inputs)
    tap.point(name, status == 1 and layout is None and words in text and
              'Traceback' not in text and 'PEERMEM_PROVIDER=OFF' in text,
              status, text, layout)


def swapped(functions, a, b):
    return [{a: b, b: a}.get(name, name) for name in functions]


def merged(functions, a, b):
    """As if the compiler had found that two functions are the same."""
    return [(a, b) if name in (a, b) else name for name in functions]


def test_tables(work, functions, layout):
    def table(changed):
        return RXE, compile_table(work, changed), SHARED

    accepts('a table like the real one', layout, *table(functions))
    accepts('two operations of librxe that are one function in libibverbs',
            layout, *table(merged(functions, 'create_cq', 'create_cq_ex')))
    refuses('one operation more', f'{len(functions) + 1}',
            *table(functions[:50] + ['surprise'] + functions[50:]))
    refuses('one operation fewer', f'{len(functions) - 1}',
            *table(functions[:-1]))
    refuses('operations of librxe in other places', 'place ',
            *table(swapped(functions, 'create_cq', 'destroy_cq')))
    refuses('all moved up by one', 'place ',
            *table(functions[1:] + functions[:1]))
    refuses('no place for what is wanted', 'reg_dmabuf_mr is at []',
            *table(swapped(functions, 'reg_dmabuf_mr', 'other')))
    refuses('two possible places for what is wanted', 'reg_dmabuf_mr is at [',
            *table(merged(functions, 'reg_dmabuf_mr', 'import_pd')))


def test_exports(work, exports):
    for name in 'ibv_cmd_reg_dmabuf_mr', 'ibv_cmd_create_qp':
        refuses(f'a libibverbs without {name}',
                f'libibverbs does not export {name}', RXE, STATIC,
                compile_exports(work, exports - {name}))


def test_archives(work):
    other = os.path.join(work, 'librxe-rdmav99.a')
    shutil.copy(RXE, other)
    refuses('a librxe of another version', 'IBVERBS_PRIVATE_99', other, STATIC,
            SHARED)
    siw = glob.glob(f'{LIBDIR}/libsiw-rdmav*.a')[0]
    wrong = os.path.join(work, os.path.basename(RXE))
    shutil.copy(siw, wrong)
    refuses('a provider that is not librxe', 'not one table rxe_ctx_ops',
            wrong, STATIC, SHARED)
    empty = os.path.join(work, 'empty')
    os.mkdir(empty)
    refuses('no archive at all', 'librxe', os.path.join(
        empty, os.path.basename(RXE)), STATIC, SHARED)


def main():
    status, text, layout = derive(RXE, STATIC, SHARED)
    tap.point('the installed rdma-core', status == 0, text)
    with tempfile.TemporaryDirectory() as work:
        names = Object(take_member(STATIC, r'dummy_ops\.c\.o', work)).table(
            r'\w*verbs_dummy_ops')
        tap.point('each of its operations has one name',
                  all(len(found) == 1 for found in names), names)
        test_tables(work, [min(found) for found in names], layout)
        test_exports(work, private_exports(SHARED, VERSION))
        test_archives(work)
    tap.done()


main()
