#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs of the distribution with on-demand MRs: perftest, the pingpong
# programs of rdma-core, UCX. Runs in the guest.
#
# Without on-demand paging, some of these programs copy the data and still succeed,
# so the exit status is not enough. Trace events must show that the kernel has
# faulted pages in for an on-demand MR on each side. Control runs without the option
# must have no such events. If a program can check its data, the test enables that;
# if its buffers can be files, the test compares the files.

import os
import subprocess
import sys
import time
from mmap import PAGESIZE

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from evidence import Trace, exporter_counters, mr_statistics  # noqa: E402
from points import Tap  # noqa: E402
from nvme import nvme_memory  # noqa: E402
from programs import Pair, run_pair  # noqa: E402

RXE = os.path.join(HERE, '../../vm/guest/rxe.sh')
VRAM = '--mmap=/dev/peer_vram0'

PERFTEST_PORT = 18515
UCX_PORT = 13337
UCX_SIZE = 1 << 20  # bytes of a message

tap = Tap()


def on_demand(name, good, text, trace, device=False, mrs=2, pages=2):
    """A test case: the run succeeded and has used on-demand MRs."""
    tap.point(name, good and trace.mrs_with_faults() >= mrs and
              trace.pages(device) >= pages,
              f'succeeded: {good}, on-demand MRs that faulted: '
              f'{trace.mrs_with_faults()}, pages faulted in: '
              f'{trace.pages(device)}', text)


# ---- perftest ----

def perftest(program, *options, server=(), client=()):
    command = [program, '-d', 'rxe0', '-F', '-n', '100', *options]
    return run_pair([*command, *server], [*command, *client], PERFTEST_PORT)


def memories():
    """Return (name, options of perftest, exporter) of each kind."""
    node = nvme_memory()
    return (('system memory', [], None), ('VRAM', [VRAM], 'peer_vram'),
            ('CMB', ['--mmap=' + node], os.path.basename(node)))


def test_perftest():
    for memory, options, exporter in memories():
        for verb in 'write', 'read', 'send':
            for what in 'bw', 'lat':
                program = f'ib_{verb}_{what}'
                with Trace() as trace:
                    good, text = perftest(program, '--odp', *options)
                on_demand(f'{program} --odp on {memory}', good, text, trace,
                          device=bool(options))
        if exporter:
            counters = exporter_counters(exporter)
            tap.equal(f'all regions of {memory} are released',
                      counters['num_alloc_mrs'], counters['num_dealloc_mrs'])


def registered(exporter):
    return exporter_counters(exporter)['num_alloc_mrs'] if exporter else 0


def test_without_odp():
    for memory, options, exporter in memories():
        before = registered(exporter)
        with Trace() as trace:
            good, text = perftest('ib_write_bw', *options)
        tap.point(f'ib_write_bw without --odp on {memory} has no faults',
                  good and not trace.named('ib_peer_fault'), text,
                  trace.events)
        if exporter:
            tap.equal(f'ib_write_bw without --odp: MRs of {memory}',
                      registered(exporter) - before, 2)


def halves(path):
    with open(path, 'rb') as file:
        data = file.read()
    return data[:len(data) // 2], data[len(data) // 2:]


# A buffer of perftest has room for two messages: the first half is for the
# client's side of an operation, the second for the server's. perftest fills them
# with random bytes, so equal halves prove a transfer.
def test_bytes():
    paths = {'server': '/dev/shm/server', 'client': '/dev/shm/client'}
    for program in 'ib_write_bw', 'ib_send_bw', 'ib_read_bw':
        for path in paths.values():
            with open(path, 'wb') as file:
                file.truncate(2 * 65536)
        with Trace() as trace:
            good, text = perftest(program, '--odp', '-s', '65536',
                                  server=['--mmap=' + paths['server']],
                                  client=['--mmap=' + paths['client']])
        client, server = halves(paths['client']), halves(paths['server'])
        unlike = server if program == 'ib_read_bw' else client
        good = good and client[0] == server[1] and unlike[0] != unlike[1]
        on_demand(f'{program} --odp between two files transfers the data',
                  good, text, trace, pages=2 * 65536 // PAGESIZE)
        for path in paths.values():
            os.unlink(path)


def both_have_faults(seen):
    return len(seen) == 2 and all(entry['page_faults']
                                  for entry in seen.values())


def test_statistics():
    """rdma(8) shows the MRs of both running programs, with their faults."""
    for memory, options in (('system memory', []), ('VRAM', [VRAM])):
        command = ['ib_write_bw', '-d', 'rxe0', '-F', '--odp', '-D', '1',
                   '--run_infinitely', *options]
        before = exporter_counters()['num_faults']
        pair = Pair(command, command, PERFTEST_PORT)
        seen, faults = {}, 0
        for _ in range(300):
            seen = mr_statistics()
            faults = exporter_counters()['num_faults'] - before
            # The exporter's counters may increase later than those of the MRs.
            if both_have_faults(seen) and (faults >= 2 or not options):
                break
            time.sleep(0.1)
        pair.stop()
        text = pair.finish()[1]
        tap.point(f'rdma statistic shows faults of two MRs on {memory}',
                  both_have_faults(seen), seen, text)
        tap.point(f'counters of peer_vram match, on {memory}',
                  faults >= 2 if options else faults == 0, faults)


# ---- rdma-core ----

PREFETCH_FAILED = "Couldn't prefetch MR"


def pingpong(program, *options):
    command = [program, '-d', 'rxe0', '-g', '1', '-n', '100', '-c', *options]
    good, text = run_pair(command, command, PERFTEST_PORT)
    # The exit status is 0 even if the data is invalid.
    return good and 'invalid data' not in text, text


def test_pingpong():
    for name, program, options in (
            ('explicit', 'ibv_rc_pingpong', ['-o']),
            ('implicit', 'ibv_rc_pingpong', ['-O']),
            ('explicit, new post send API', 'ibv_rc_pingpong', ['-o', '-N']),
            ('explicit, events', 'ibv_rc_pingpong', ['-o', '-e']),
            ('explicit, SRQ', 'ibv_srq_pingpong', ['-o'])):
        with Trace() as trace:
            good, text = pingpong(program, *options)
        on_demand(f'{program} {" ".join(options)} ({name}), data checked',
                  good, text, trace)


def test_pingpong_prefetch():
    """The program continues if its provider cannot prefetch."""
    for option in '-o', '-O':
        with Trace() as trace:
            good, text = pingpong('ibv_rc_pingpong', option, '-P')
        on_demand(f'ibv_rc_pingpong {option} -P (prefetch), data checked',
                  good, text, trace)
        if PREFETCH_FAILED in text:
            print('# the userspace provider has no ibv_advise_mr()')


# ---- UCX ----

def ucx(*options, **settings):
    # With rxe and IPv4 GIDs, UCX before 1.19 needs this check disabled.
    env = dict(os.environ, UCX_NET_DEVICES='rxe0:1', UCX_TLS='rc_v,ud_v,self',
               UCX_UD_VERBS_ETH_DGID_CHECK='n', **settings)
    command = ['ucx_perftest', '-n', '20', '-w', '2', '-s', str(UCX_SIZE),
               *options]
    return run_pair(command, command, UCX_PORT, env)


def ucx_has(setting):
    done = subprocess.run(['ucx_info', '-cf'], capture_output=True, text=True)
    return f'\n{setting}=' in done.stdout


UCX_TESTS = ('tag_bw', 'ucp_put_bw', 'ucp_get', 'ucp_am_bw')

# Options and settings for explicit on-demand MRs. UCX 1.15 chose other names.
if ucx_has('UCX_REG_NONBLOCK_MEM_TYPES'):
    EXPLICIT = [], {'UCX_REG_NONBLOCK_MEM_TYPES': 'host',
                    'UCX_RNDV_THRESH': '8192', 'UCX_ZCOPY_THRESH': '8192'}
else:
    EXPLICIT = ['-B'], {'UCX_IB_ODP_MAX_SIZE': '1g'}


def ucx_explicit(test):
    options, settings = EXPLICIT
    return ucx(*options, '-t', test, **settings)


def test_ucx():
    for test in UCX_TESTS:
        with Trace() as trace:
            good, text = ucx_explicit(test)
        # At least the pages of one message.
        on_demand(f'ucx_perftest {test}, explicit', good, text, trace,
                  pages=UCX_SIZE // PAGESIZE)
    with Trace() as trace:
        good, text = ucx('-t', 'tag_bw')
    tap.point('UCX without settings for on-demand paging has no faults',
              good and not trace.named('ib_peer_fault'), text, trace.events)


def test_ucx_implicit():
    if not ucx_has('UCX_IB_REG_METHODS'):
        tap.point('this UCX has no implicit registrations',
                  ucx_has('UCX_REG_NONBLOCK_MEM_TYPES'))
        return
    with Trace() as trace:
        good, text = ucx('-t', 'tag_bw', UCX_IB_REG_METHODS='odp')
    # The exit status is ignored. UCX 1.13 passes the handle of an implicit MR where
    # a struct is expected, and so uses the key as flags. With an odd key it crashes
    # after the transfers.
    del good
    on_demand('ucx_perftest tag_bw, implicit, result is printed',
              'Final:' in text, text, trace, pages=UCX_SIZE // PAGESIZE)


# ---- the stock rxe has no on-demand paging; on Linux 7, not of device memory ----

def has_on_demand():
    done = subprocess.run(['ibv_devinfo', '-v', '-d', 'rxe0'], check=True,
                          capture_output=True, text=True)
    return 'ODP_SUPPORT' in done.stdout


def test_stock():
    subprocess.run([RXE, 'stock'], check=True)
    try:
        if has_on_demand():
            good, text = perftest('ib_write_bw', '--odp', VRAM)
            tap.point('stock rxe: ib_write_bw --odp of VRAM fails', not good, text)
            return
        good, text = perftest('ib_write_bw', '--odp')
        tap.point('stock rxe: ib_write_bw --odp fails',
                  not good and 'not support' in text, text)
        good, text = pingpong('ibv_rc_pingpong', '-o')
        tap.point('stock rxe: ibv_rc_pingpong -o fails',
                  not good and 'support' in text, text)
        good, text = ucx_explicit('tag_bw')
        if 'UCX_IB_ODP_MAX_SIZE' in EXPLICIT[1]:
            tap.point('stock rxe: UCX on-demand registration fails',
                      not good and 'Operation not supported' in text, text)
        else:
            tap.point('stock rxe: UCX pins instead', good, text)
    finally:
        subprocess.run([RXE, 'extended'], check=True)


for run in [value for name, value in list(globals().items())
            if name.startswith('test_')]:
    run()
tap.done()
