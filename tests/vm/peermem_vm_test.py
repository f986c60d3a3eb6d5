#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of peermem-vm as a program that users install: environment, files, input,
# identity, devices, results, several machines, and guests without the source folder.
#
# usage: peermem_vm_test.py PEERMEM-VM BUILD [NAME...]
#   PEERMEM-VM  vm/peermem-vm
#   BUILD       build folder with the modules
#   NAME        name of a test function without "test_"; default: all

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..'), os.path.join(HERE, '../../vm')]

from host import environment, guests, initrd, summary  # noqa: E402
from points import Tap  # noqa: E402

PROGRAM, BUILD = map(os.path.abspath, sys.argv[1:3])
NAMES = sys.argv[3:]
USER = 1000
MACHINE = 125   # exit status for wrong options, and of machines that fail

tap = Tap()


def peermem_vm(*args, command='run', env=None, cwd=None, data=None, build=True):
    """Runs peermem-vm with the guest of the build folder, unless args name another. Without
    build, it gets the guest as a user of the source folder does."""
    words = [PROGRAM, command]
    if command == 'run' and build and '--guest' not in args:
        words += ['--guest', BUILD]
    return subprocess.run([*words, *args], input=data or b'', capture_output=True,
                          env={**os.environ, **(env or {})}, cwd=cwd, check=False)


def printed(done):
    return done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError as error:
        return str(error)


# Runs in the guest: prints what it sees, and writes files.
LOOK_AROUND = r'''
import json, os, stat, subprocess, sys
def output(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip()
def mode(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode)) if os.path.exists(path) else None
open('discarded', 'w').write('x')
open('kept/file', 'w').write('from the guest')
os.makedirs('kept/new/folder')
os.rename('kept/old', 'kept/renamed')
print(json.dumps({
    'environment': dict(os.environ), 'folder': os.getcwd(),
    'file': open('file').read(), 'input': len(sys.stdin.buffer.read()),
    'modes': {path: mode(path) for path in (
        '/dev/peer_vram0', '/dev/peer_cmb0', '/dev/peer_mem', '/dev/infiniband/uverbs0')},
    'header': os.path.exists('/usr/include/infiniband/peermem.h'),
    'pkg-config': output('pkg-config', '--modversion', 'libpeermem'),
    'manual': os.path.exists('/usr/share/man/man7/peermem.7'),
    'peermem': output('peermem', '--version'),
    'dummy': os.path.exists('/sys/module/dummy'),
}))
'''


def module_file(name):
    """The file of a module of the guest's kernel."""
    for path, _, files in os.walk(f'{BUILD}/vm'):
        for file in files:
            if file.startswith(f'{name}.ko'):
                return os.path.join(path, file)
    return None


def test_guest():
    with tempfile.TemporaryDirectory() as folder:
        write(f'{folder}/file', 'from the host')
        os.mkdir(f'{folder}/kept')
        write(f'{folder}/kept/old', 'old')
        done = peermem_vm('--rw', 'kept', '--stdin', '--env', 'CHOSEN=a b', '--module',
                          module_file('dummy'), '--', 'python3', '-c', LOOK_AROUND,
                          cwd=folder, data=b'z' * 1000000, build=False,
                          env={'PEERMEM_BUILD': BUILD, 'MY_SETTING': 'kept',
                               'SSH_AUTH_SOCK': '/tmp/x', 'UCX_TLS': 'tcp'})
        out, err = printed(done)
        if not tap.equal('it runs', done.returncode, 0, out, err):
            return
        check_guest(json.loads(out), folder)
        tap.point('files that are discarded are reported',
                  '1 file in the current folder will be discarded, such as discarded' in err,
                  err)
        tap.equal('files in the folder of --rw are kept',
                  (read(f'{folder}/kept/file'), sorted(os.listdir(f'{folder}/kept'))),
                  ('from the guest', ['file', 'new', 'renamed']))
        tap.equal('other files are not', sorted(os.listdir(folder)), ['file', 'kept'])


def check_guest(seen, folder):
    variables = seen['environment']
    tap.equal('the environment passes', variables.get('MY_SETTING'), 'kept')
    tap.equal('variables of --env', variables.get('CHOSEN'), 'a b')
    tap.equal('what names a socket of the host does not pass',
              variables.get('SSH_AUTH_SOCK'), None)
    tap.equal('the caller\'s setting of UCX', variables.get('UCX_TLS'), 'tcp')
    tap.equal('settings of UCX for rxe0',
              (variables.get('UCX_NET_DEVICES'), variables.get('UCX_UD_VERBS_ETH_DGID_CHECK')),
              ('rxe0:1', 'n'))
    tap.equal('the current folder', (seen['folder'], seen['file']),
              (folder, 'from the host'))
    tap.equal('standard input is complete', seen['input'], 1000000)
    tap.equal('modes of the device nodes', list(seen['modes'].values()),
              ['0o660', '0o660', '0o666', '0o666'])
    tap.equal('headers, pkg-config and manual pages are there',
              (seen['header'], seen['pkg-config'][:2], seen['manual']), (True, '0.', True),
              seen)
    tap.point('the command peermem is there', seen['peermem'].startswith('peermem 0.'), seen)
    tap.point('the module of --module is loaded', seen['dummy'])


TAP_OUTPUT = r'''
echo 1..3
echo ok 1 - one
echo '# got 5, want 6'
echo not ok 2 - two
echo ok 3 - three '# SKIP no such device'
ib_write_bw -d rxe0 -n 5 > /dev/null & sleep 2; ib_write_bw -d rxe0 -n 5 10.0.0.1 > /dev/null
wait
echo note > $PEERMEM_OUT/note
exit 1
'''


def cases(path):
    found = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter('testcase'):
        kinds = [(kind.tag, kind.get('message')) for kind in case]
        found[case.get('name')] = kinds[0] if kinds else ('passed', '')
    return found


def test_results():
    with tempfile.TemporaryDirectory() as folder:
        results = f'{folder}/new/results'
        done = peermem_vm('--results', results, '--', 'bash', '-c', TAP_OUTPUT)
        _, err = printed(done)
        tap.equal('exit status is that of the command', done.returncode, 1, err)
        tap.equal('junit.xml has one case for each test case, and the machine',
                  cases(f'{results}/junit.xml'),
                  {'one': ('passed', ''), 'two': ('failure', 'got 5, want 6'),
                   'three': ('skipped', 'no such device'),
                   'the virtual machine': ('passed', '')})
        tap.equal('results.tap has the test cases', read(f'{results}/results.tap'),
                  '1..3\nok 1 - one\nnot ok 2 - two\nok 3 - three # SKIP no such device\n')
        counters = json.loads(read(f'{results}/counters.json'))['counters']
        sent = counters.get('rxe0/sent_pkts', {})
        tap.point('counters before and after',
                  sent.get('before') is not None and sent['after'] > sent['before'], counters)
        tap.equal('files of the command', sorted(os.listdir(f'{results}/out')), ['note'])
        tap.point('the output and the kernel log are kept',
                  'not ok 2' in read(f'{results}/stdout.txt') and
                  'Linux version' in read(f'{results}/kernel.log'))
        tap.equal('the last lines say what failed', err.splitlines()[-2:],
                  ['vm: failed: two (got 5, want 6)', f'vm: results are in {results}'])
        check_summary(read(f'{results}/summary.md'))
        done = peermem_vm('--results', results, '--', 'sh', '-c', 'echo why; exit 3')
        tap.equal('a command without TAP is one case', cases(f'{results}/junit.xml'),
                  {'sh': ('failure', 'exit status 3: why'),
                   'the virtual machine': ('passed', '')}, *printed(done))
        done = peermem_vm('--results', results, '--timeout', '25', '--', 'sleep', '100')
        tap.equal('a timeout is a failure of the machine', cases(f'{results}/junit.xml'),
                  {'sleep': ('skipped', 'the machine failed'),
                   'the virtual machine': ('failure', 'timeout after 25 s')}, *printed(done))
        tap.point('nothing is left of an earlier run',
                  not os.path.exists(f'{results}/results.tap'))


def check_summary(text):
    head, failed, counters = (text.split('\n\n') + [''] * 3)[:3]
    tap.point('summary.md: the command and how it ended',
              head.startswith('# <code>bash -c ') and head.endswith('</code>: failed'), head)
    tap.equal('summary.md: counts', failed,
              '**2 passed, 1 failed, 1 skipped**, exit status 1')
    tap.equal('summary.md: the failed test case, and the reason', counters,
              '| failed | reason |\n|---|---|\n| two | got 5, want 6 |')
    tap.point('summary.md: counters that changed, and no others',
              '\n| rxe0/sent\\_pkts | ' in text and '\n| rxe0/rcvd\\_pkts | ' in text and
              'rxe0/out\\_of\\_seq' not in text and 'Kernel warnings' not in text, text)


def test_summary():
    """Without a virtual machine"""
    with tempfile.TemporaryDirectory() as folder:
        for name, log in ('node1', 'fine\n'), ('node2', 'x\n[1.0] WARNING: <a> at b.c:5\ny\n'):
            os.mkdir(f'{folder}/{name}')
            write(f'{folder}/{name}/kernel.log', log)
        sections = [
            summary.Section('node1', f'{folder}/node1', [('passed', 'one', '')] * 300),
            summary.Section('node2', f'{folder}/node2',
                            [('failed', f'a|<b>`{n}`', 'x' * 1000) for n in range(300)])]
        summary.write(folder, ['a & b\n', 'c'], sections, 123)
        text = read(f'{folder}/summary.md')
    tap.equal('a summary of two machines', text.split('\n\n')[:4],
              ["# <code>&#x27;a &amp; b &#x27; c</code>: failed",
               '**300 passed, 300 failed, 0 skipped**, exit status 123',
               '## node1: 300 passed, 0 failed, 0 skipped',
               '## node2: 0 passed, 300 failed, 0 skipped'])
    tap.point('names are not taken for Markdown',
              '\n| a\\|&lt;b&gt;\\`0\\` | xxx' in text, text[:2000])
    tap.point('long tables are cut', 'and 100 more\n' in text and len(text) < 100000,
              len(text))
    tap.point('kernel warnings', 'Kernel warnings: 1\n\n<pre>\n'
              '[1.0] WARNING: &lt;a&gt; at b.c:5\n</pre>\n' in text, text[-300:])


# Each machine sends its number to the other one.
EXCHANGE = r'''
import os, socket, time
own = int(os.environ['PEERMEM_NODE'])
other = 3 - own
def connect():
    while True:     # until the other one listens
        try:
            return socket.create_connection((f'node{other}', 2000), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.1)
def send():
    with connect() as peer:
        peer.sendall(str(own).encode())
def receive(server):
    with server.accept()[0] as peer:
        return peer.recv(10).decode()
with socket.create_server(('', 2000)) as server:
    print('network', *sorted(os.listdir('/sys/class/infiniband')), flush=True)
    if own == 1:
        got = receive(server); send()
    else:
        send(); got = receive(server)
print('got', got)
raise SystemExit(own - 1)
'''


def test_nodes():
    with tempfile.TemporaryDirectory() as results:
        done = peermem_vm('--nodes', '2', '--smp', '1', '--timeout', '200', '--results',
                          results, '--', 'python3', '-c', EXCHANGE)
        out, err = printed(done)
        tap.equal('two machines: exit status of the one that failed', done.returncode, 1, err)
        tap.equal('each runs the command, and reaches the other one', sorted(out.splitlines()),
                  ['node1: got 2', 'node1: network rxe0', 'node2: got 1',
                   'node2: network rxe0'], err)
        tap.equal('each has results',
                  [cases(f'{results}/node{n}/junit.xml')['python3'][0] for n in (1, 2)],
                  ['passed', 'failure'])
        text = read(f'{results}/summary.md')
        tap.point('one summary has both', '\n## node1: 2 passed, 0 failed' in text and
                  '\n## node2: 1 passed, 1 failed' in text, text)
        with open(f'{results}/node1/traffic.pcap', 'rb') as file:
            tap.point('the traffic is captured', b'\x0a\x00\x00\x02' in file.read())


def test_mpirun():
    """As a line of a shell; tests/docs/ci_test.py has it as the command."""
    done = peermem_vm('--nodes', '2', '--smp', '1', '--', 'bash', '-eo', 'pipefail', '-c',
                      'ranks="-np 2 --map-by node"\nmpirun --mca btl tcp,self $ranks '
                      "sh -c 'hostname; echo to stderr >&2'")
    out, err = printed(done)
    tap.equal('mpirun runs over the machines', done.returncode, 0, out, err)
    tap.equal('one process on each', sorted(line.replace('node1: ', '')
                                            for line in out.splitlines()),
              ['node1', 'node2'], err)


def test_calls_mpirun():
    """Which commands run on the first machine only"""
    for words in (['mpirun', '-np', '2', 'x'], ['/usr/bin/mpiexec', 'x'],
                  ['sh', '-c', 'mpirun x'], ['bash', '-eo', 'pipefail', '-c',
                                             'export C=1\n A=1 B=2 /opt/bin/mpiexec x\n']):
        tap.point(f'mpirun: {words}', initrd.calls_mpirun(words))
    for words in (['./mpirun.sh'], ['sh', '-c', 'mpirun_x y'], ['sh', '-c', 'echo mpirun x'],
                  ['sh', '-c'], ['sh', 'mpirun'], ['echo', '-c', 'mpirun x']):
        tap.point(f'not mpirun: {words}', not initrd.calls_mpirun(words))


IDENTITY = r'''
import json, mmap, os
with open('/dev/peer_vram0', 'r+b', buffering=0) as node:
    memory = mmap.mmap(node.fileno(), 4 << 20)
    memory[:5] = b'bytes'
open('/dev/infiniband/uverbs0', 'r+b', buffering=0).close()
print(json.dumps([os.getuid(), os.getgid(), os.environ['HOME'], bytes(memory[:5]).decode()]))
'''


def test_packed():
    """An ordinary user, with a guest that needs neither the source folder nor a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        guest = f'{folder}/guest'
        done = peermem_vm(BUILD, guest, command='pack')
        tap.equal('a guest is packed', done.returncode, 0, *printed(done))
        megabytes = sum(os.lstat(os.path.join(path, name)).st_size
                        for path, _, names in os.walk(guest) for name in names) / 1e6
        tap.point('it is small', megabytes < 60, f'{megabytes} MB')
        again = peermem_vm(BUILD, guest, command='pack')
        tap.point('pack does not overwrite', again.returncode == MACHINE and
                  b'exists' in again.stderr, again.stderr)
        # The program without the source folder
        shutil.copytree(os.path.dirname(PROGRAM), f'{folder}/program')
        program = f'{folder}/program/peermem-vm'
        done = subprocess.run(
            ['setpriv', f'--reuid={USER}', f'--regid={USER}', '--clear-groups', program, 'run',
             '--guest', guest, '--user', '--', 'python3', '-c', IDENTITY],
            stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, check=False,
            env={'PATH': os.environ['PATH'], 'HOME': '/home/someone'})
        out, err = printed(done)
        tap.equal('an ordinary user runs it, and uses the devices', out.strip(),
                  json.dumps([USER, USER, '/home/someone', 'bytes']), err)
        os.unlink(f'{guest}/guest.conf')
        done = peermem_vm('--guest', guest, '--', 'true')
        tap.point('a folder that is no guest is an error', done.returncode == MACHINE and
                  b'neither a guest' in done.stderr, done.stderr)


# Wrong calls, and a part of the message
WRONG = (
    (['--mem', 'much'], 'expected a number and M or G'),
    (['--smp', '0'], 'from 1'),
    (['--nodes', '9'], 'from 1 to 8'),
    (['--nodes', '2'], '--nodes needs a COMMAND'),
    (['--nodes', '2', '--stdin', '--', 'true'], 'for one machine'),
    (['--net', 'bridge', '--', 'true'], 'expected user'),
    (['--net', 'user', '--link', '/tmp/x:1', '--', 'true'], 'exclude each other'),
    (['--env', '1=2', '--', 'true'], 'expected NAME or NAME=VALUE'),
    (['--env', 'NO_SUCH_NAME', '--', 'true'], 'there is no such variable'),
    (['--rw', '/no/such', '--', 'true'], 'there is no such folder'),
    (['--rw', '/', '--', 'true'], 'the guest needs this folder for itself'),
    (['--module', '/no/such.ko', '--', 'true'], 'there is no such file'),
    (['--results', '/dev/null/x', '--', 'true'], 'Not a directory'),
    (['--stdin=yes', '--', 'true'], 'takes no value'),
    (['--stdin', '--tty', '--', 'true'], 'exclude each other'),
    (['--timeout', '-1', '--', 'true'], 'expected seconds'),
    (['--no-such'], 'unknown option --no-such'),
    (['--guest', '/no/such', '--', 'true'], 'there is no such folder'),
    (['--timeout'], '--timeout needs a value: S'),
)


def test_wrong_calls():
    for options, text in WRONG:
        done = peermem_vm(*options)
        tap.point('wrong: ' + ' '.join(options), done.returncode == MACHINE and
                  text in printed(done)[1], done.returncode, done.stderr)
    done = peermem_vm(command='walk')
    tap.point('an unknown command', done.returncode == MACHINE and
              b'the commands are run, list, pack' in done.stderr, done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(['sh', '-c', f'rmdir {folder}; "$0" run true', PROGRAM],
                              cwd=folder, capture_output=True, check=False)
        os.mkdir(folder)
    tap.point('a current folder that is gone', done.returncode == MACHINE and
              b'does not exist any more' in done.stderr, done.stderr)


def make_guest(place, version, config):
    os.mkdir(f'{place}/{version}')
    write(f'{place}/{version}/guest.conf',
          f'kernel={version}\nconfig={config}\nmemory=2G\n')


def test_choice():
    """Which of the installed guests is used, without a virtual machine."""
    def chosen(wanted, config='plain'):
        try:
            return guests.choose(wanted, config, place).version
        except guests.Failure as error:
            return str(error)

    with tempfile.TemporaryDirectory() as place:
        tap.point('no guest is installed', 'peermem-guest-6.12' in chosen(None), chosen(None))
        for version in '6.12.9+deb12-amd64', '6.12.118+deb12-amd64', '7.3.4+deb13-amd64':
            make_guest(place, version, 'plain')
        make_guest(place, '6.12.118-peermem-debug', 'debug')
        tap.equal('default: the newest of the oldest series', chosen(None),
                  '6.12.118+deb12-amd64')
        tap.equal('a series', chosen('7.3'), '7.3.4+deb13-amd64')
        tap.equal('a version', chosen('6.12.9+deb12-amd64'), '6.12.9+deb12-amd64')
        tap.equal('the debug kernel', chosen(None, 'debug'), '6.12.118-peermem-debug')
        tap.point('a series that is not installed', '7.3.4+deb13-amd64 (plain)' in
                  chosen('6.1'), chosen('6.1'))


def test_environment():
    class Options:
        user, no_env, env = False, False, []

    caller = {'A': '1', 'HOME': '/home/x', 'DISPLAY': ':0', 'BASH_FUNC_x%%': '() { :; }',
              'UID': '5', 'LD_PRELOAD': 'lib.so', 'PATH': '/opt/bin:/usr/sbin'}
    passed = environment.for_command(Options, caller)
    tap.equal('what passes', passed,
              {'A': '1', 'LD_PRELOAD': 'lib.so',
               'PATH': '/opt/bin:/usr/sbin:/usr/local/sbin:/sbin'})
    Options.user = True
    tap.equal('with --user, so does HOME',
              environment.for_command(Options, caller).get('HOME'), '/home/x')
    Options.no_env, Options.env = True, ['DISPLAY', 'B=2']
    tap.equal('--no-env passes only what --env names',
              environment.for_command(Options, caller), {'DISPLAY': ':0', 'B': '2'})


def test_closed_files():
    """A caller that has closed its files, or reads no more."""
    run = f'{PROGRAM} run --guest {BUILD} --stdin --timeout 100 --'
    done = subprocess.run(['bash', '-c', f'{run} wc -c <&-'], capture_output=True, check=False)
    tap.equal('closed standard input is empty', done.stdout, b'0\n', done.stderr)
    done = subprocess.run(['bash', '-c', f'{run} yes < /dev/null | head -n 2; '
                           'echo "${PIPESTATUS[0]}"'], capture_output=True, check=False)
    tap.equal('the run ends if nobody reads its output', done.stdout, b'y\ny\n141\n',
              done.stderr)


def wanted_test(name):
    return name.startswith('test_') and (not NAMES or name[5:] in NAMES)


# Two at a time: they mostly boot, which uses one processor each.
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for test in [pool.submit(value) for name, value in list(globals().items())
                 if wanted_test(name)]:
        test.result()
tap.done()
