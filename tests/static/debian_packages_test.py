#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# cmake/debian_packages.py takes the right packages from a mirror, and none that was
# changed. The mirror is a folder. get_kernel tests the program with get-kernel.sh.

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..'), os.path.join(HERE, '../../cmake')]

import debian_packages  # noqa: E402
from points import Tap  # noqa: E402

INDEX = 'main/binary-amd64/Packages'
# "InRelease" is signed if this stub of gpgv says so: it takes the text from the file
# "signed" beside the keyring, and the status from "status".
GPGV = '''#!/bin/sh
PATH=/usr/bin:/bin
cat > /dev/null
cd "$(dirname "$4")" && cp signed "$6"
echo "gpgv: a message" >&2
cat status
'''

tap = Tap()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write(path, data):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


class Mirror:
    """A mirror below a folder. @packages: {suite: [(name, version)]}"""

    def __init__(self, folder, packages):
        self.folder = folder
        for suite, entries in packages.items():
            self.write_suite(suite, entries)

    def path(self, suite, name):
        base = 'debian-security' if suite.endswith('-security') else 'debian'
        return os.path.join(self.folder, base, name)

    def write_suite(self, suite, entries, form='.xz', codename=None):
        index = ''
        for name, version in entries:
            file = f'pool/{name}_{version}_amd64.deb'
            data = f'{name} {version} {suite}'.encode()
            write(self.path(suite, file), data)
            index += (f'Package: {name}\nVersion: {version}\nDescription: text\n text\n'
                      f'Filename: {file}\nSHA256: {sha256(data)}\n\n')
        pack = {'.xz': lzma.compress, '.gz': gzip.compress, '': bytes}[form]
        self.write_index(suite, INDEX + form, pack(index.encode()), codename or suite)

    def write_index(self, suite, name, data, codename):
        folder = self.path(suite, f'dists/{suite}')
        write(f'{folder}/{name}', data)
        self.text = (f'Origin: Debian\nSuite: none\nCodename: {codename}\nMD5Sum:\n'
                     f' 0 {len(data)} {name}\nSHA256:\n 0 0 main/source/Sources.xz\n'
                     f' {sha256(data)} {len(data)} {name}\n')
        write(f'{folder}/InRelease', (
            '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n' + self.text +
            '-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n').encode())


class Result:
    """What a call printed on standard output (@out) and standard error (@err)."""

    def __init__(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ['debian_packages.py', 'state', *arguments]
        self.status = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                debian_packages.main()
            except SystemExit as end:
                self.status = 1 if isinstance(end.code, str) else int(end.code or 0)
                if isinstance(end.code, str):
                    print(end.code, file=err)
        self.out = sorted(out.getvalue().splitlines())
        self.err = err.getvalue().splitlines()

    def error(self):
        return self.err[-1] if self.status and self.err else None


def get(*names):
    """Gets packages into an empty folder. Returns the result and {file: contents}."""
    shutil.rmtree('got', ignore_errors=True)
    os.mkdir('got')
    os.symlink('../state', 'got/state')
    os.chdir('got')
    result = Result('get', *names)
    os.remove('state')
    files = {}
    for name in os.listdir():
        with open(name, encoding='utf-8') as file:
            files[name] = file.read()
    os.chdir('..')
    return result, files


def two_suites():
    shutil.rmtree('mirror', ignore_errors=True)
    mirror = Mirror('mirror', {
        'trixie': [('linux-image-9', '6.12.9-1'), ('linux-source-6.12', '6.12.9-1'),
                   ('linux-kbuild', '6.12.9-1'), ('other', '1')],
        'trixie-security': [('linux-image-10', '6.12.10-1'),
                            ('linux-source-6.12', '6.12.10-1')]})
    Result('list', 'trixie', 'trixie-security')
    return mirror


def test_operations():
    two_suites()
    result = Result('list', 'trixie', 'trixie-security')
    tap.equal('list: packages of the kernel, of all suites', result.out,
              ['linux-image-10', 'linux-image-9', 'linux-kbuild', 'linux-source-6.12'])
    tap.equal('list: one warning that signatures are not checked', result.err,
              ['packages: WARNING: the signatures of the mirror are not checked, '
               "because the program gpgv and Debian's keys (package "
               'debian-archive-keyring) cannot be found'])
    tap.equal('have: a package of the mirror', Result('have', 'linux-kbuild').status, 0)
    tap.equal('have: no package of the mirror', Result('have', 'linux').status, 1)
    tap.equal('get: the newest version', get('linux-source-6.12')[1],
              {'linux-source-6.12_6.12.10-1_amd64.deb':
               'linux-source-6.12 6.12.10-1 trixie-security'})
    tap.equal('get: the version of the first package, if there is one',
              sorted(get('linux-image-9', 'linux-source-6.12')[1]),
              ['linux-image-9_6.12.9-1_amd64.deb',
               'linux-source-6.12_6.12.9-1_amd64.deb'])
    tap.equal('get: else the newest', sorted(get('linux-image-10', 'linux-kbuild')[1]),
              ['linux-image-10_6.12.10-1_amd64.deb', 'linux-kbuild_6.12.9-1_amd64.deb'])
    tap.equal('get: no such package', get('linux-kbuild', 'linux-a', 'linux-b')[0].error(),
              'packages: the mirror has no package linux-a, linux-b')


def test_changed_package():
    two_suites()
    path = 'mirror/debian/pool/linux-kbuild_6.12.9-1_amd64.deb'
    url = f'file://{os.path.abspath(path)}'
    with open(path, 'rb') as file:
        good = file.read()
    write(path, b'changed')
    result, files = get('linux-kbuild')
    tap.equal('a package was changed', result.error(),
              f'packages: {url} has the SHA256 {sha256(b"changed")}, expected '
              f'{sha256(good)}; the mirror may be changing: try again')
    tap.equal('it does not get its name', list(files),
              ['linux-kbuild_6.12.9-1_amd64.deb.part'])
    os.remove(path)
    tap.point('a package is not there', get('linux-kbuild')[0].error().startswith(
        f'packages: cannot read {url}: '), get('linux-kbuild')[0].err)


def test_indexes():
    mirror = two_suites()
    base = f'file://{os.path.abspath("mirror")}/debian/dists/trixie'
    path = f'mirror/debian/dists/trixie/{INDEX}.xz'
    write(path, b'changed')
    tap.point('an index was changed', Result('list', 'trixie').error().startswith(
        f'packages: {base}/{INDEX}.xz has the SHA256 {sha256(b"changed")}, expected '))
    tap.equal('the packages of the last list stay', get('linux-kbuild')[0].status, 0)
    os.remove(path)
    for form in '.gz', '':
        mirror.write_suite('trixie', [('linux-a', '1')], form)
        tap.equal(f'an index Packages{form}', Result('list', 'trixie').out, ['linux-a'])
    mirror.write_suite('trixie', [], codename='sid')
    tap.equal('another suite in its place', Result('list', 'trixie').error(),
              f'packages: {base}/InRelease is of another suite: sid')
    mirror.write_index('trixie', 'main/binary-arm64/Packages', b'', 'trixie')
    tap.equal('another architecture', Result('list', 'trixie').error(),
              f'packages: {base}/InRelease names no index of the architecture amd64')


def test_mirrors():
    two_suites()
    result = Result('list', 'trixie', 'trixie-backports')
    tap.equal('a suite that the mirror does not have', (len(result.out), result.status),
              (3, 0))
    tap.point('a warning names it', result.err[-1].startswith(
        'packages: WARNING: no packages of trixie-backports: cannot read file:'),
        result.err)
    mirror = os.environ['PEERMEM_MIRROR']
    tap.equal('a mirror without the suites', Result('list', 'sid', 'sid-x').error(),
              f'packages: {mirror} is no mirror of Debian: it has none of sid, sid-x')
    os.environ['PEERMEM_MIRROR'] = 'nowhere'
    tap.equal('an address that is none', Result('list', 'trixie').error(),
              'packages: cannot read nowhere/dists/trixie/InRelease: unknown url type: '
              "'nowhere/dists/trixie/InRelease'")
    del os.environ['PEERMEM_MIRROR']
    tap.equal('no address', Result('list', 'trixie').error(),
              'packages: set PEERMEM_MIRROR to the address of a mirror of Debian')
    os.environ['PEERMEM_MIRROR'] = mirror


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_http():
    two_suites()
    handler = functools.partial(Handler, directory=os.getcwd())
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = os.environ['PEERMEM_MIRROR']
    base = f'http://127.0.0.1:{server.server_port}'
    os.environ['PEERMEM_MIRROR'] = f'{base}/mirror/debian/'
    tap.equal('http: list', len(Result('list', 'trixie', 'trixie-security').out), 4)
    tap.equal('http: get', list(get('linux-source-6.12')[1]),
              ['linux-source-6.12_6.12.10-1_amd64.deb'])
    tap.point('http: a suite that the mirror does not have', Result(
        'list', 'trixie', 'sid').err[-1].endswith('HTTP Error 404: File not found'))
    server.shutdown()
    server.server_close()
    tap.point('http: no server', 'Connection refused' in Result('list', 'trixie').error())
    os.environ['PEERMEM_MIRROR'] = before


def test_versions():
    # Each is newer than the one before.
    versions = ['1~rc1-1', '1-1~bpo13+1', '1-1', '1-1+b1', '1.0-1', '1.0a-1', '1.0+x-1',
                '1.9-1', '1.10-1', '6.12.9-1', '6.12.9-1.1', '6.12.10-1', '1:0.1-1']
    tap.equal('versions', sorted(reversed(versions), key=debian_packages.version_key),
              versions)
    if shutil.which('dpkg', path='/usr/bin'):
        wrong = [pair for pair in zip(versions, versions[1:]) if subprocess.run(
            ['/usr/bin/dpkg', '--compare-versions', pair[0], 'lt', pair[1]],
            check=False).returncode]
        tap.equal('dpkg has the same order', wrong, [])


def test_signatures():
    mirror = two_suites()
    mirror.write_suite('trixie', [('linux-a', '1')])
    write('bin/gpgv', GPGV.encode())
    os.chmod('bin/gpgv', 0o755)
    write('keys/ring', b'')
    os.environ['PEERMEM_KEYRING'] = 'keys/ring'
    url = f'{os.environ["PEERMEM_MIRROR"]}/dists/trixie/InRelease'
    keyring = 'keys/ring'

    def list_signed(status, text=None):
        write('keys/status', status.encode())
        write('keys/signed', (text or mirror.text).encode())
        return Result('list', 'trixie')

    result = list_signed('[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 1 x\n[GNUPG:] VALIDSIG 1\n')
    tap.equal('a valid signature: no warning', (result.out, result.err), (['linux-a'], []))
    tap.equal('one of two keys is known', list_signed(
        '[GNUPG:] ERRSIG 1\n[GNUPG:] NO_PUBKEY 1\n[GNUPG:] GOODSIG 2 x\n').status, 0)
    tap.equal('only what is signed counts', list_signed(
        '[GNUPG:] GOODSIG 1 x\n', 'Codename: trixie\n').error(),
        f'packages: {url} names no index of the architecture amd64')
    for name, status in (
            ('a bad signature', '[GNUPG:] BADSIG 1 x\n'),
            ('a good and a bad signature', '[GNUPG:] GOODSIG 1 x\n[GNUPG:] BADSIG 2 x\n'),
            ('an unknown key', '[GNUPG:] ERRSIG 1\n[GNUPG:] NO_PUBKEY 1\n'),
            ('an expired key', '[GNUPG:] EXPKEYSIG 1 x\n[GNUPG:] VALIDSIG 1\n'),
            ('a text like a status', 'x [GNUPG:] GOODSIG 1 x\n'),
            ('no signature', '')):
        result = list_signed(status)
        tap.equal(name, (result.status, result.err),
                  (1, [f'packages: the signature of {url} is not valid with the keys in '
                       f'{keyring}:', 'gpgv: a message']))
    os.environ['PEERMEM_KEYRING'] = 'keys/none'
    tap.equal('no such file of keys', Result('list', 'trixie').error(),
              'packages: PEERMEM_KEYRING: there is no file keys/none')
    del os.environ['PEERMEM_KEYRING']
    tap.equal('no keys of Debian', Result('list', 'trixie').err,
              ['packages: WARNING: the signatures of the mirror are not checked, because '
               "Debian's keys (package debian-archive-keyring) cannot be found"])


def test_real_signature(path):
    """With the programs of GnuPG, if they are there."""
    os.environ['PATH'] = path
    if not (shutil.which('gpg') and shutil.which('gpgv')):
        tap.point('a signature of gpg # SKIP gpg and gpgv are not installed', True)
        return
    mirror = two_suites()
    inrelease = 'mirror/debian/dists/trixie/InRelease'
    mirror.write_suite('trixie', [('linux-a', '1')])
    home = os.path.abspath('home')
    os.mkdir(home, 0o700)
    gpg = ['gpg', '--homedir', home, '--batch', '--quiet', '--passphrase', '']
    write('text', mirror.text.encode())
    for command in (['--quick-generate-key', 'test', 'ed25519'],
                    ['--output', 'ring', '--export'],
                    ['--yes', '--output', inrelease, '--clearsign', 'text']):
        subprocess.run([*gpg, *command], check=True, capture_output=True)
    subprocess.run(['gpgconf', '--homedir', home, '--kill', 'all'], check=False)
    os.environ['PEERMEM_KEYRING'] = 'ring'
    result = Result('list', 'trixie')
    tap.equal('a signature of gpg', (result.out, result.err), (['linux-a'], []))
    with open(inrelease, encoding='utf-8') as file:
        text = file.read()
    write(inrelease, text.replace('Origin: Debian', 'Origin: Someone').encode())
    result = Result('list', 'trixie')
    tap.point('a text that was changed', result.status and 'BAD signature' in result.error(),
              result.err)
    del os.environ['PEERMEM_KEYRING']


def main():
    path = os.environ['PATH']
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        os.environ.pop('PEERMEM_KEYRING', None)
        os.environ['PATH'] = f'{work}/bin'
        os.environ['PEERMEM_MIRROR'] = f'file://{work}/mirror/debian'
        debian_packages.KEYRINGS = ()
        test_operations()
        test_changed_package()
        test_indexes()
        test_mirrors()
        test_http()
        test_versions()
        test_signatures()
        test_real_signature(path)
        os.chdir('/')
    tap.done()


main()
