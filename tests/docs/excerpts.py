#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The parts of C programs in the README and the book compile without a warning, each as
# the body of a function. Whole programs have tests of their own.
#
# usage: excerpts.py

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from blocks import PROJECT, blocks  # noqa: E402
from points import Tap  # noqa: E402

# The pages, and what an excerpt there takes for given.
GIVEN = '''
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <infiniband/peermem.h>
#include <infiniband/peermem_vram.h>
#include <infiniband/verbs.h>
#include <rdma/peer_bar.h>
#include <rdma/peer_cmb.h>
#include <rdma/peer_mem.h>
#include <rdma/peer_vram.h>
'''
PAGES = {
    'README.md': 'struct ibv_pd *pd, size_t len, int access',
    'docs/cmb.md': 'struct ibv_pd *pd, size_t length, off_t place, int access',
    'docs/library.md': 'struct ibv_pd *pd, struct ibv_mr *mr, void *buffer, '
                       'size_t length, int access',
    'docs/storage.md': 'struct ibv_pd *pd, int file, size_t size',
}


def is_whole(block):
    return 'int main(' in block.text or 'MODULE_LICENSE(' in block.text


def compile_part(block):
    source = (f'{GIVEN}\nvoid excerpt({PAGES[block.path]});\n'
              f'void excerpt({PAGES[block.path]})\n{{\n'
              f'#line {block.line} "{block.path}"\n{block.text}}}\n')
    return subprocess.run(
        ['gcc', '-fsyntax-only', '-xc', '-', '-Wall', '-Wextra', '-Werror',
         '-Wno-unused-variable', '-Wno-unused-parameter',
         '-Wno-unused-but-set-parameter', '-Wno-unused-but-set-variable',
         '-Wno-unused-result',
         f'-I{PROJECT}/include/uapi', f'-I{PROJECT}/include'],
        input=source, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)


def main():
    tap = Tap()
    found = [block for block in blocks()
             if block.language == 'c' and not is_whole(block)]
    tap.equal('each page with parts of programs is known',
              sorted({block.path for block in found}), sorted(PAGES))
    for block in found:
        if block.path in PAGES:
            done = compile_part(block)
            tap.point(f'{block.path}:{block.line}', done.returncode == 0,
                      done.stdout)
    tap.done()


main()
