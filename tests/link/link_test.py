#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# RDMA between the video memory of two virtual machines: perftest, RDMA CM, and an
# MPI job on both. Runs in machine 1; machine 2 runs remote.py.

import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[0:0] = [os.path.join(HERE, '..'), os.path.join(HERE, '../clients')]

from evidence import KernelLog, exporter_counters  # noqa: E402
from points import Tap  # noqa: E402

PROJECT = os.path.join(HERE, '../..')
REMOTE = os.path.join(HERE, 'remote.py')
OTHER = '10.0.0.2'
COUNTER = '/sys/kernel/mm/memory_peers/peer_vram/num_alloc_mrs'

# Seconds, for emulation on a busy host.
TIMEOUT = 200

tap = Tap()


def run(*command):
    """Returns (exit status, output)."""
    try:
        done = subprocess.run(command, text=True, errors='replace',
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired as expired:
        return 124, f'{expired.output}\ntimed out'
    return done.returncode, done.stdout


def there(command):
    return run(REMOTE, 'run', OTHER, command)


def wait_for(what):
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.2)
    return False


def mrs_there():
    status, text = there('cat ' + COUNTER)
    return int(text) if status == 0 else -1


class Witness:
    """Counts MRs on video memory in both machines (.here, .there) while a
    "with" block runs. .refused: registrations that failed in this machine."""

    def __enter__(self):
        self.there = -mrs_there()
        self.here = -exporter_counters()['num_alloc_mrs']
        self.log = KernelLog()
        self.log.__enter__()
        return self

    def __exit__(self, *_):
        self.log.__exit__()
        self.there += mrs_there()
        self.here += exporter_counters()['num_alloc_mrs']
        self.refused = self.log.failed_registrations()

    def saw(self, mrs):
        return self.here >= mrs and self.there >= mrs and not self.refused

    def describe(self):
        return f'MRs here {self.here}, there {self.there}; {self.refused}'


def is_served(port):
    """Does the other machine listen on a port of TCP or RDMA CM?"""
    return there(f'(ss -Htln sport = {port}; rdma resource show cm_id |'
                 f' grep "LISTEN.*:{port} ") | grep -q .')[0] == 0


def server_and_client(server, client, port):
    """Runs a server in the other machine and its client in this one. Returns
    (True if both succeed, output of both)."""
    with subprocess.Popen([REMOTE, 'run', OTHER, server], text=True,
                          errors='replace', stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as program:
        wait_for(lambda: is_served(port) or program.poll() is not None)
        status, text = run(*client.split())
        if status:
            there('pkill -KILL -x ' + server.split()[0])
        text += program.communicate()[0]
    return status == 0 and program.returncode == 0, text


def test_there_are_two():
    tap.point('machine 2 is reachable',
              wait_for(lambda: there('true')[0] == 0))
    tap.equal('machine 2 has its own hostname', there('hostname')[1].split(),
              ['peermem2'])


def test_perftest():
    # tests/clients has all perftest programs, in one machine.
    for program in ('ib_write_bw', 'ib_read_bw --odp', 'ib_send_bw'):
        command = (f'{program} -d rxe0 -F -n 50 -s 65536'
                   ' --mmap=/dev/peer_vram0')
        with Witness() as witness:
            good, text = server_and_client(command, f'{command} {OTHER}',
                                           18515)
        tap.point(f'{command}: between two machines', good, text)
        tap.point(f'{command}: MRs on video memory in both machines',
                  witness.saw(1), witness.describe())


def test_rdma_cm():
    good, text = server_and_client('rping -s -C 20 -V',
                                   f'rping -c -a {OTHER} -C 20 -V', 7174)
    tap.point('rping: connects with RDMA CM and validates data', good, text)


def test_mpi():
    """A message, MPI_Put() and MPI_Get(). The ranks compare all bytes, and
    print the number of MRs on their memory."""
    compile_it = (f'mpicc -I{PROJECT}/include/uapi {PROJECT}/examples/mpi.c'
                  ' -o /tmp/mpi')
    for machine, done in (('machine 1', run('bash', '-c', compile_it)),
                          ('machine 2', there(compile_it))):
        tap.equal(f'MPI program compiles on {machine}', done[0], 0, done[1])
    with Witness() as witness:
        status, text = run(
            'env', 'OMPI_ALLOW_RUN_AS_ROOT=1',
            'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1',
            'mpirun', '-np', '2', '--host', f'10.0.0.1:1,{OTHER}:1',
            '--mca', 'plm_rsh_agent', f'{REMOTE} run',
            '--mca', 'oob_tcp_if_include', 'eth0',
            '--mca', 'pml', 'ucx', '--mca', 'osc', 'ucx',
            '-x', 'UCX_NET_DEVICES=rxe0:1', '-x', 'UCX_TLS=rc_v,ud_v,self',
            '-x', 'UCX_UD_VERBS_ETH_DGID_CHECK=n', '/tmp/mpi')
    tap.equal('MPI job on both machines succeeds', status, 0, text)
    right = re.findall(r'(rank \d, \w+): \d+ bytes right, MRs over them: (\d+)',
                       text)
    tap.equal('MPI job: all bytes correct on both machines',
              sorted(what for what, _ in right),
              ['rank 0, got', 'rank 0, sent', 'rank 1, put',
               'rank 1, received'], text)
    tap.point('MPI job: MRs on video memory on both machines',
              all(int(mrs) for _, mrs in right) and witness.saw(2),
              witness.describe(), text)


test_there_are_two()
test_perftest()
test_rdma_cm()
test_mpi()
run(REMOTE, 'stop', OTHER)
tap.done()
