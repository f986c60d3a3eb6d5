#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The distribution's own programs on on-demand MRs, unmodified: perftest, the
# pingpong programs of rdma-core, UCX. Runs in the guest.
#
# Some of these programs would go on without on-demand paging, by copying, and
# succeed. So an exit status proves nothing here: for each run the kernel must
# have brought pages to an on-demand MR on either side; and a run without the
# option must show nothing of the kind, else the evidence would be worth
# nothing. Where a program can tell that data is wrong, it is asked to; where
# its buffers can be files, the files are compared.

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))

from evidence import Trace, client_counters, mr_statistics  # noqa: E402
from points import Tap  # noqa: E402
from nvme import nvme_memory  # noqa: E402
from programs import Pair, run_pair  # noqa: E402

RXE = os.path.join(HERE, '../vm/rxe.sh')
VRAM = '--mmap=/dev/peer_vram0'

PERFTEST_PORT = 18515
UCX_PORT = 13337

tap = Tap()


def on_demand(name, good, text, trace, device=False, mrs=2, pages=2):
    """The point of a run that must have used on-demand MRs."""
    tap.point(name, good and trace.mrs_with_faults() >= mrs and
              trace.pages(device) >= pages,
              f'succeeded: {good}, on-demand MRs that faulted: '
              f'{trace.mrs_with_faults()}, pages brought: '
              f'{trace.pages(device)}', text)


# ---- perftest ----

def perftest(program, *options, server=(), client=()):
    command = [program, '-d', 'rxe0', '-F', '-n', '100', *options]
    return run_pair([*command, *server], [*command, *client], PERFTEST_PORT)


def memories():
    """(name, options of perftest, whose it is) of each kind"""
    node = nvme_memory()
    return (('host memory', [], None), ('video memory', [VRAM], 'peer_vram'),
            ('memory of an NVMe controller', ['--mmap=' + node],
             os.path.basename(node)))


def test_perftest():
    for memory, options, client in memories():
        for verb in 'write', 'read', 'send':
            for what in 'bw', 'lat':
                program = f'ib_{verb}_{what}'
                with Trace() as trace:
                    good, text = perftest(program, '--odp', *options)
                on_demand(f'{program} --odp on {memory}', good, text, trace,
                          device=bool(options))
        if client:
            counters = client_counters(client)
            tap.equal(f'every region of {memory} was given back',
                      counters['num_alloc_mrs'], counters['num_dealloc_mrs'])


def registered(client):
    return client_counters(client)['num_alloc_mrs'] if client else 0


def test_without_odp():
    for memory, options, client in memories():
        before = registered(client)
        with Trace() as trace:
            good, text = perftest('ib_write_bw', *options)
        tap.point(f'without --odp, on {memory}, nothing is on demand',
                  good and not trace.named('ib_peer_fault'), text,
                  trace.events)
        if client:
            tap.equal(f'and both sides registered {memory}',
                      registered(client) - before, 2)


def halves(path):
    with open(path, 'rb') as file:
        data = file.read()
    return data[:len(data) // 2], data[len(data) // 2:]


# A buffer of perftest is two messages: the first half is the client's side of
# an operation, the second the server's. It fills them with random bytes when it
# begins, so the two are different unless they should be the same.
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
        on_demand(f'{program} --odp between two files: the bytes arrived',
                  good, text, trace, pages=32)
        for path in paths.values():
            os.unlink(path)


def both_have_faults(seen):
    return len(seen) == 2 and all(entry['page_faults']
                                  for entry in seen.values())


def test_statistics():
    """While they run, rdma(8) shows the MRs of both, with their faults."""
    for memory, options in (('host memory', []), ('video memory', [VRAM])):
        command = ['ib_write_bw', '-d', 'rxe0', '-F', '--odp', '-D', '1',
                   '--run_infinitely', *options]
        before = client_counters()['num_faults']
        pair = Pair(command, command, PERFTEST_PORT)
        seen, faults = {}, 0
        for _ in range(300):
            seen = mr_statistics()
            faults = client_counters()['num_faults'] - before
            # An MR's count comes when a question is asked, its owner's later.
            if both_have_faults(seen) and (faults >= 2 or not options):
                break
            time.sleep(0.1)
        pair.stop()
        text = pair.finish()[1]
        tap.point(f'rdma statistic shows the faults of two MRs on {memory}',
                  both_have_faults(seen), seen, text)
        tap.point(f'and the counters of peer_vram fit, on {memory}',
                  faults >= 2 if options else faults == 0, faults)


# ---- rdma-core ----

PREFETCHED_NOT = "Couldn't prefetch MR"


def pingpong(program, *options):
    command = [program, '-d', 'rxe0', '-g', '1', '-n', '100', '-c', *options]
    good, text = run_pair(command, command, PERFTEST_PORT)
    # It says so, and succeeds.
    return good and 'invalid data' not in text, text


def test_pingpong():
    for name, program, options in (
            ('explicit', 'ibv_rc_pingpong', ['-o']),
            ('implicit', 'ibv_rc_pingpong', ['-O']),
            ('explicit, new post send API', 'ibv_rc_pingpong', ['-o', '-N']),
            ('explicit, by events', 'ibv_rc_pingpong', ['-o', '-e']),
            ('explicit, SRQ', 'ibv_srq_pingpong', ['-o'])):
        with Trace() as trace:
            good, text = pingpong(program, *options)
        on_demand(f'{program} {" ".join(options)} ({name}), data checked',
                  good, text, trace)


def test_pingpong_prefetch():
    """Prefetches, or says that its provider cannot, and goes on."""
    for option in '-o', '-O':
        with Trace() as trace:
            good, text = pingpong('ibv_rc_pingpong', option, '-P')
        on_demand(f'ibv_rc_pingpong {option} -P (prefetch), data checked',
                  good, text, trace)
        if PREFETCHED_NOT in text:
            print('# the userspace provider has no ibv_advise_mr()')


# ---- UCX ----

def ucx(*options, **settings):
    # rxe with IPv4 GIDs needs the check switched off until UCX 1.19.
    env = dict(os.environ, UCX_NET_DEVICES='rxe0:1', UCX_TLS='rc_v,ud_v,self',
               UCX_UD_VERBS_ETH_DGID_CHECK='n', **settings)
    command = ['ucx_perftest', '-n', '20', '-w', '2', '-s', '1048576',
               *options]
    return run_pair(command, command, UCX_PORT, env)


UCX_TESTS = ('tag_bw', 'ucp_put_bw', 'ucp_get', 'ucp_am_bw')
EXPLICIT = {'UCX_IB_ODP_MAX_SIZE': '1g'}


def test_ucx():
    for test in UCX_TESTS:
        with Trace() as trace:
            good, text = ucx('-B', '-t', test, **EXPLICIT)
        # The message at least: 1 MiB.
        on_demand(f'ucx_perftest {test}, explicit', good, text, trace,
                  pages=256)
    with Trace() as trace:
        good, text = ucx('-t', 'tag_bw')
    tap.point('without its settings nothing of UCX is on demand',
              good and not trace.named('ib_peer_fault'), text, trace.events)


def test_ucx_implicit():
    with Trace() as trace:
        good, text = ucx('-t', 'tag_bw', UCX_IB_REG_METHODS='odp')
    # How it ends is not looked at: UCX 1.13 ends an implicit MR by taking its handle
    # for a struct of arguments, whose flags are then the MR's key; with an odd one it
    # dies, all work done.
    del good
    on_demand('ucx_perftest tag_bw, implicit, up to its result',
              'Final:' in text, text, trace, pages=256)


# ---- the same on the distribution's rxe: fails ----

def test_stock():
    subprocess.run([RXE, 'stock'], check=True)
    try:
        good, text = perftest('ib_write_bw', '--odp')
        tap.point('the stock rxe: ib_write_bw --odp is refused',
                  not good and 'not supported' in text, text)
        good, text = pingpong('ibv_rc_pingpong', '-o')
        tap.point('the stock rxe: ibv_rc_pingpong -o is refused',
                  not good and 'support' in text, text)
        good, text = ucx('-B', '-t', 'tag_bw', **EXPLICIT)
        tap.point('the stock rxe: UCX cannot register on demand',
                  not good and 'Operation not supported' in text, text)
    finally:
        subprocess.run([RXE, 'extended'], check=True)


for run in [value for name, value in list(globals().items())
            if name.startswith('test_')]:
    run()
tap.done()
