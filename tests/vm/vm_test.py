#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of the virtual machine from outside: that it passes a command and its output, and
# that no failure in the guest is reported as success. peermem_vm_test.py has what the
# guest offers to programs.
#
# usage: vm_test.py VM PROVOKE [NAME...]
#   VM       tests/vm/vm.sh
#   PROVOKE  provoke.ko, which provokes kernel warnings and hangs in the guest
#   NAME     name of a test function without "test_"; default: all

import concurrent.futures
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..'), os.path.join(HERE, '../../vm')]

from host import kernel_warnings  # noqa: E402
from points import Tap  # noqa: E402

VM, PROVOKE, *NAMES = sys.argv[1:]

# Exit statuses of vm.sh itself
KERNEL, TIMEOUT, MACHINE = 123, 124, 125

# Runs in the guest: writes a marker to the VRAM through its BAR (no module of the
# project is loaded), and lists the PCI devices.
LOOK_AROUND = r'''
import glob, json, mmap, os, sys
found = {}
for dev in glob.glob('/sys/bus/pci/devices/*'):
    ident = tuple(open(dev + '/' + f).read().strip()
                  for f in ('vendor', 'device'))
    sizes = [int(l.split()[1], 16) - int(l.split()[0], 16) + 1
             for l in open(dev + '/resource') if int(l.split()[1], 16)]
    found.setdefault(' '.join(ident), []).extend(sizes)
    if ident == ('0x1af4', '0x1110'):
        open(dev + '/enable', 'w').write('1')
        fd = os.open(dev + '/resource2', os.O_RDWR)
        bar = mmap.mmap(fd, 256 << 20)
        bar[0x123456:0x123456 + 16] = b'seen from inside'
        bar[-4:] = b'last'
open(os.environ['PEERMEM_OUT'] + '/devices', 'w').write(json.dumps(found))
open('discarded', 'w').write('x')
open('/usr/discarded', 'w').write('x')
modules = {l.split()[0] for l in open('/proc/modules')}
print(json.dumps(sorted(modules)))
'''

TRAFFIC = r'''
set -e
cat /sys/module/rdma_rxe/taint
ib_write_bw -d rxe0 -n 100 --mmap=/dev/peer_vram0 > "$PEERMEM_OUT/server" &
for ((i = 0; i < 200; i++)); do
	ss -Htln 'sport = 18515' | grep -q . && break
	sleep 0.1
done
ib_write_bw -d rxe0 -n 100 --mmap=/dev/peer_vram0 10.0.0.1 |
	grep '^ 65536'
wait
'''

# Runs in the guest: writes "exit 7" to the status port of process 1, in two parts,
# and powers off.
SLOW_END = r'''
import ctypes, os, time
def is_port(fd):
    return os.readlink('/proc/1/fd/' + fd).startswith('/dev/vport')
fd = min(int(fd) for fd in os.listdir('/proc/1/fd') if is_port(fd))
PIDFD_GETFD = 438
port = ctypes.CDLL(None).syscall(PIDFD_GETFD, os.pidfd_open(1), fd, 0)
os.write(port, b'exi')
time.sleep(3)
os.write(port, b't 7\n')
open('/proc/sysrq-trigger', 'w').write('o')
time.sleep(100)
'''


tap = Tap()


def vm(*args, env=None, cwd=None):
    return subprocess.run([VM, *args], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, env=env, cwd=cwd)


def test_arguments_and_output():
    words = ['two words', 'q"uo\'te', 'new\nline', '', '$HOME `x` \\', '*',
             'end\n', '-x', '--', '\t é']
    script = ('import json, os, subprocess, sys\n'
              'print(json.dumps([sys.argv[1:], os.getcwd(), os.getuid()]))\n'
              'print("z" * 3000000)\n'
              'print("to stderr", file=sys.stderr)\n'
              'subprocess.Popen(["sleep", "1000"])\n'
              'sys.exit(3)')
    done = vm('--', 'python3', '-c', script, *words)
    tap.equal('exit status is that of the command', done.returncode, 3,
              done.stderr)
    lines = done.stdout.split('\n')
    got = json.loads(lines[0]) if done.stdout else [None] * 3
    tap.equal('arguments are unchanged', got[0], words)
    tap.equal('current folder is that of the caller', got[1], os.getcwd())
    tap.equal('user is root', got[2], 0)
    tap.equal('3 MB of output are complete, without carriage returns',
              lines[1:], ['z' * 3000000, ''])
    tap.point('standard error is separate',
              'to stderr\n' in done.stderr, done.stderr)


def test_slow_end():
    done = vm('--stock', '--', 'python3', '-c', SLOW_END)
    tap.equal('exit status is correct if it arrives in two parts',
              done.returncode, 7, done.stderr)


def test_stock():
    with tempfile.TemporaryDirectory() as keep:
        done = vm('--stock', '--results', keep, '--vram', keep + '/vram', '--',
                  'python3', '-c', LOOK_AROUND)
        tap.equal('--stock runs a command', done.returncode, 0, done.stderr)
        modules = set(json.loads(done.stdout or '[]'))
        tap.equal('--stock loads rdma_rxe, and no modules of the project',
                  modules & {'rdma_rxe', 'ib_peer_mem', 'peer_vram'},
                  {'rdma_rxe'})
        with open(keep + '/vram', 'rb') as vram:
            data = vram.read()
        tap.equal('--vram: the file has 256 MiB', len(data), 256 << 20)
        tap.equal('--vram: it has the bytes written in the guest',
                  (data[0x123456:0x123456 + 16], data[-4:]),
                  (b'seen from inside', b'last'))
        with open(keep + '/out/devices', encoding='utf-8') as out:
            devices = json.load(out)
        tap.point('files in PEERMEM_OUT are kept', devices)
        tap.point('other files are discarded',
                  not os.path.exists('discarded') and
                  not os.path.exists('/usr/discarded'))
        tap.point('guest has a device with 256 MiB of memory',
                  256 << 20 in devices.get('0x1af4 0x1110', []), devices)
        tap.point('guest has an NVMe controller with a 64 MiB CMB',
                  64 << 20 in devices.get('0x1b36 0x0010', []), devices)
        tap.point('guest has an edu device', '0x1234 0x11e8' in devices,
                  devices)


def test_traffic():
    done = vm('--', 'bash', '-c', TRAFFIC)
    tap.equal('perftest runs between two processes with VRAM',
              done.returncode, 0, done.stdout, done.stderr)
    tap.equal('rdma_rxe is the extended module', done.stdout[:2], 'OE',
              done.stdout)


def test_warning():
    with tempfile.TemporaryDirectory() as keep:
        done = vm('--results', keep, '--', 'insmod', PROVOKE, 'what=warning')
        tap.equal('WARN_ON() is a failure', done.returncode, KERNEL,
                  done.stderr)
        tap.point('its line is printed', 'provoke_init' in done.stderr,
                  done.stderr)
        with open(keep + '/kernel.log', encoding='utf-8') as log:
            tap.point('kernel log is kept', 'cut here' in log.read())


def test_harmless():
    harmless = ('echo DMA-API: preallocated 65536 debug entries > /dev/kmsg;'
                'echo DMA-API: debugging enabled by kernel config > /dev/kmsg;')
    tap.equal('boot messages of DMA-API are no kernel warnings',
              vm('--stock', '--', 'sh', '-c', harmless).returncode, 0)
    done = vm('--stock', '--', 'sh', '-c', harmless +
              'echo DMA-API: debugging out of memory > /dev/kmsg')
    tap.equal('an error message of DMA-API is a kernel warning',
              done.returncode, KERNEL, done.stderr)
    tap.point('only the error message is printed',
              'out of memory' in done.stderr and
              'preallocated' not in done.stderr, done.stderr)


# Kernel warnings that do not contain the word WARNING.
KERNEL_WARNINGS = (
    'rcu: INFO: rcu_preempt self-detected stall on CPU',
    'watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0',
    'INFO: trying to register non-static key.',
    'turning off the locking correctness validator.',
    'kmemleak: Kernel memory leak detector disabled',
    'irq 16: nobody cared (try booting with the "irqpoll" option)',
    "sysfs: cannot create duplicate filename '/class/x'",
    'Call Trace:',
)


def test_kernel_warnings():
    """Checks the rules without a virtual machine."""
    def found(log):
        lines = kernel_warnings.log_lines(log)
        return [f'{index + 1}:{lines[index]}' for index in kernel_warnings.find(lines)]

    for line in KERNEL_WARNINGS:
        log = f'[ 1.0] first line\n[ 2.0] {line}\n[ 3.0] last line\n'
        tap.equal(f'a kernel warning: {line}', found(log.encode()),
                  [f'2:[ 2.0] {line}'])
    tap.equal('a zero byte hides no kernel warning',
              found(b'a\0b\nWARNING: c\n\0'), ['2:WARNING: c'])
    tap.equal('invalid UTF-8 hides no kernel warning',
              found(b'a\xff\xfeb\nWARNING: c\n'), ['2:WARNING: c'])
    short = b'bash invoked oom-killer: gfp_mask=0x1\nCall Trace:\n'
    tap.equal('the stack trace of the OOM killer is no kernel warning',
              found(short), [])
    tap.equal('another stack trace after it is a kernel warning',
              found(short + 25 * b'x\n' + b'Call Trace:\n'), ['28:Call Trace:'])


def test_zero_bytes():
    done = vm('--stock', '--', 'bash', '-c', "printf 'a\\0b\\n' > /dev/ttyS0;"
              f'insmod {PROVOKE} what=warning')
    tap.equal('WARN_ON() in a log with a zero byte is a failure',
              done.returncode, KERNEL, done.stderr)


def test_link():
    done = vm('--stock', '--link', 'nowhere', '--', 'true')
    tap.equal('--link without a number is an error', done.returncode, MACHINE,
              done.stderr)
    tap.point('the message has the accepted form', 'DIR:1' in done.stderr,
              done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        done = vm('--stock', '--link', folder + '/new:2', '--', 'bash', '-c',
                  'hostname; ip -br address show eth0')
    tap.point('machine 2 runs without machine 1, with an address of its own',
              'peermem2' in done.stdout and '10.0.0.2/24' in done.stdout,
              done.stdout, done.stderr)


def test_not_built():
    with tempfile.TemporaryDirectory() as build:
        done = vm('--', 'true', env=dict(os.environ, PEERMEM_BUILD=build))
    tap.equal('missing modules are an error', done.returncode, MACHINE,
              done.stderr)
    tap.point('the message says how to build them',
              './run build' in done.stderr, done.stderr)


def test_oops():
    done = vm('--stock', '--', 'insmod', PROVOKE, 'what=oops')
    tap.equal('an oops is a failure', done.returncode, MACHINE, done.stderr)
    tap.point('the oops is printed', 'Oops' in done.stderr, done.stderr)


def test_tracing():
    done = vm('--stock', '--', 'bash', '-c',
              'for busy in 1 2 3; do while sleep 0.001; do :; done & done; '
              'cd /sys/kernel/tracing; mkdir instances/a; cd instances/a/events;'
              'for i in {1..120}; do for on in 1 0; do'
              ' echo $on > module/enable; done; done; kill %1 %2 %3')
    tap.equal('trace events can be enabled on busy processors',
              done.returncode, 0, done.stderr)


def test_stuck():
    done = vm('--stock', '--', 'bash', '-c', f'insmod {PROVOKE} what=stuck & '
              'while ! grep -q ^provoke /proc/modules; do sleep 0.1; done')
    tap.equal('a process that SIGKILL does not end is a failure',
              done.returncode, MACHINE, done.stderr)
    tap.point('its name is printed', 'insmod' in done.stderr, done.stderr)


def test_timeout():
    started = time.monotonic()
    done = vm('--stock', '--timeout', '20', '--', 'sleep', '1000')
    took = time.monotonic() - started
    tap.equal('a timeout is a failure', done.returncode, TIMEOUT,
              done.stderr)
    tap.point('the time limit is observed', took < 90, f'{took} s')


def test_power_off():
    done = vm('--stock', '--', 'sh', '-c', 'echo o > /proc/sysrq-trigger;'
              'sleep 100')
    tap.equal('power off without an exit status is a failure',
              done.returncode, MACHINE, done.stderr)


def test_iommu():
    done = vm('--stock', '--iommu', '--', 'sh', '-c',
              'test -e /sys/class/iommu/dmar0 && '
              'ls /sys/kernel/iommu_groups | grep -q .')
    tap.equal('--iommu: guest has an IOMMU with groups', done.returncode, 0,
              done.stderr)


def test_size():
    done = vm('--stock', '--icount', '--mem=1G', '--smp', '1', '--', 'sh',
              '-c', 'nproc; grep MemTotal /proc/meminfo')
    words = done.stdout.split()
    tap.equal('--icount runs a command', done.returncode, 0, done.stderr)
    tap.point('--mem and --smp are observed', words[:1] == ['1'] and
              800_000 < int(words[2]) < 1 << 20, done.stdout)


def test_folder_of_tmp():
    """The guest has a /tmp of its own; the current folder is kept."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'file'), 'w', encoding='ascii') as file:
            file.write('from the host')
        done = vm('--stock', '--', 'sh', '-c', 'cat file && echo x > new', cwd=folder)
        tap.equal('a current folder in /tmp is there', done.stdout, 'from the host')
        tap.equal('the guest does not write to it', os.listdir(folder), ['file'])


def test_no_such_command():
    tap.equal('exit status of a missing command is 127',
              vm('--stock', '--', 'no-such-command').returncode, 127)


def test_bad_options():
    for options in (['--mem', 'much'], ['--smp', '0'], ['--no-such'],
                    ['--timeout']):
        done = vm(*options)
        tap.equal('invalid option: ' + ' '.join(options), done.returncode,
                  MACHINE, done.stderr)


def test_machine_that_cannot_start():
    done = vm('--stock', '--mem', '900000G', '--', 'true')
    tap.equal('a machine that QEMU cannot start is a failure',
              done.returncode, MACHINE, done.stderr)
    tap.point('the message of QEMU is printed', 'memory' in done.stderr,
              done.stderr)


def test_death_at_boot():
    # Too little memory for the first program, and enough for a panic message.
    for size in '72M', '68M', '76M', '80M':
        done = vm('--stock', '--timeout', '60', '--mem', size, '--', 'true')
        if done.stderr.count('vm: booting') == 2:
            break
    tap.equal('a crash during boot is a failure',
              done.returncode, MACHINE, done.stderr)
    tap.equal('it is tried twice', done.stderr.count('vm: booting'), 2,
              done.stderr)


def test_interrupt():
    child = subprocess.Popen([VM, '--stock', '--', 'sleep', '1000'],
                             stdin=subprocess.DEVNULL, text=True,
                             stderr=subprocess.PIPE, start_new_session=True)
    for line in child.stderr:
        if 'ready' in line:
            break
    os.killpg(child.pid, signal.SIGINT)
    child.stderr.read()
    tap.equal('exit status after Ctrl-C is 130', child.wait(timeout=60), 130)
    tap.equal('Ctrl-C leaves no process behind',
              subprocess.run(['pgrep', '-g', str(child.pid)], text=True,
                             capture_output=True).stdout, '')


def read_until(terminal, text, seconds):
    seen = b''
    end = time.monotonic() + seconds
    while time.monotonic() < end and text not in seen:
        if select.select([terminal], [], [], 1)[0]:
            try:
                seen += os.read(terminal, 4096)
            except OSError:
                break
    return seen


def test_shell():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp('sh', ['sh', '-c', 'stty rows 33 cols 99; exec "$0" --stock',
                         VM])
    read_until(terminal, b'# ', 120)
    os.write(terminal, b'tty; stty size; kill -INT $$; echo a-$((6 * 7))\r')
    seen = read_until(terminal, b'a-42', 30)
    tap.point('without a command, a shell runs on a terminal',
              b'/dev/hvc0' in seen, seen)
    tap.point('the terminal has the size of the caller\'s', b'33 99' in seen,
              seen)
    os.write(terminal, b'exit 5\r')
    read_until(terminal, b'no such text', 5)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tap.equal('exit status is that of the shell', status, 5)


def wanted(name):
    return name.startswith('test_') and (not NAMES or name[5:] in NAMES)


# Two at a time: they mostly boot, which uses one processor each.
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for test in [pool.submit(value) for name, value in list(globals().items())
                 if wanted(name)]:
        test.result()
tap.done()
