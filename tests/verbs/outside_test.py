#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# outside_test.py VM-COMMAND GUEST-PROGRAM
#
# Compares VRAM from outside of the virtual machine. The guest writes a stream into
# it by RDMA, and reports which blocks of the BAR have it. The file behind the BAR
# must have these bytes there. Then this program changes the file, and the guest
# must read the change by RDMA. See outside_guest.c.

import array
import os
import subprocess
import sys
import tempfile
import time

SEED_GUEST = 11
SEED_OUTSIDE = 12
MASK = (1 << 64) - 1
BOOT_SECONDS = 300


def mix(x):
    x ^= x >> 30
    x = x * 0xbf58476d1ce4e5b9 & MASK
    x ^= x >> 27
    x = x * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def stream(seed, offset, length):
    """Bytes of a stream; offset and length are multiples of 8."""
    base = mix(seed)
    words = array.array('Q', (
        mix(base + index * 0x9e3779b97f4a7c15 & MASK)
        for index in range(offset // 8, (offset + length) // 8)))
    return words.tobytes()


class Tap:
    def __init__(self):
        self.cases = 0
        self.failed = 0

    def case(self, good, name, why=''):
        self.cases += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.cases} - {name}")
        if why and not good:
            print(f'# {why}')
        sys.stdout.flush()

    def end(self):
        print(f'1..{self.cases}')
        return 1 if self.failed else 0


def wait_for_blocks(path, machine):
    until = time.monotonic() + BOOT_SECONDS
    while not os.path.exists(path):
        if machine.poll() is not None or time.monotonic() > until:
            return None
        time.sleep(0.1)
    with open(path, encoding='ascii') as file:
        return [tuple(int(word) for word in line.split()) for line in file]


def compare(bar, blocks):
    """Describes the first block with wrong bytes; '' if there is none."""
    for offset, length, place in blocks:
        bar.seek(place)
        if bar.read(length) != stream(SEED_GUEST, offset, length):
            return f'wrong data in the block of {length} bytes at {place:#x}' \
                   f' of the BAR, {offset:#x} of the BO'
    return ''


def change(bar, blocks):
    for offset, length, place in blocks:
        bar.seek(place)
        bar.write(stream(SEED_OUTSIDE, offset, length))
    bar.flush()


def scattered(blocks):
    """True if blocks that are adjacent in the BO are not adjacent in the BAR."""
    return any(there + length != next_there
               for (_, length, there), (_, _, next_there)
               in zip(blocks, blocks[1:]))


def check(tap, keep, machine):
    blocks = wait_for_blocks(f'{keep}/out/blocks', machine)
    tap.case(bool(blocks), 'the guest fills VRAM by RDMA WRITE')
    if not blocks:
        return
    tap.case(scattered(blocks), 'its blocks are scattered over the BAR')
    with open(f'{keep}/vram', 'r+b') as bar:
        why = compare(bar, blocks)
        tap.case(not why, 'the file behind the BAR has the bytes', why)
        change(bar, blocks)
    with open(f'{keep}/out/changed', 'w', encoding='ascii'):
        pass
    tap.case(machine.wait() == 0,
             'the guest reads by RDMA READ what the host wrote')


def main():
    vm, guest = sys.argv[1:]
    tap = Tap()
    with tempfile.TemporaryDirectory() as keep:
        machine = subprocess.Popen([vm, '--results', keep, '--vram', f'{keep}/vram',
                                    '--', guest],
                                   stdin=subprocess.DEVNULL,
                                   stdout=sys.stderr)
        try:
            check(tap, keep, machine)
        finally:
            if machine.poll() is None:
                machine.terminate()
                machine.wait()
    return tap.end()


sys.exit(main())
