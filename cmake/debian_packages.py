#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Packages of Debian's kernels from a mirror, on a host without apt. get-kernel.sh calls it.
#
#   debian_packages.py FOLDER list SUITE...   reads the indexes of the suites (trixie,
#                                             trixie-security, ...), keeps in FOLDER what
#                                             they have, and prints the names
#   debian_packages.py FOLDER have PACKAGE    exits 0 if "list" found the package
#   debian_packages.py FOLDER get PACKAGE...  downloads packages into the current folder
#
# "get" takes the newest version of the first package, and that version of all others
# which have it: the packages of a kernel belong together.
#
# Each file is checked: packages by their SHA256 in the index Packages, that index by its
# SHA256 in InRelease, and InRelease by its signature. The last needs the program gpgv and
# Debian's keys. Without one of them, a warning says that signatures are not checked.
#
# Environment
#   PEERMEM_MIRROR   address of the mirror (http, https or file). A suite *-security is
#                    taken from the address with "-security" behind it
#   PEERMEM_ARCH     architecture (default: amd64)
#   PEERMEM_KEYRING  file with Debian's keys (default: that of the package
#                    debian-archive-keyring)

import gzip
import hashlib
import http.client
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ARCH = os.environ.get('PEERMEM_ARCH', 'amd64')
# Only these packages are kept.
PREFIX = 'linux-'
KEYRINGS = ('/usr/share/keyrings/debian-archive-keyring.gpg',
            '/usr/share/keyrings/debian-archive-keyring.pgp')
# Forms of an index, the preferred first.
UNPACK = {'.xz': lzma.decompress, '.gz': gzip.decompress, '': bytes}
TIMEOUT = 60
CHUNK = 1 << 20


class PackagesError(Exception):
    pass


class NotFound(PackagesError):
    pass


def say(text):
    print(f'packages: {text}', file=sys.stderr, flush=True)


# ---- files of the mirror ----

def is_not_found(error):
    return (isinstance(error, urllib.error.HTTPError) and error.code == 404 or
            isinstance(getattr(error, 'reason', None), FileNotFoundError))


def download(url, file):
    """Writes what is at an address into a file. Returns its SHA256."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            while chunk := answer.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except (OSError, ValueError, http.client.HTTPException) as error:
        kind = NotFound if is_not_found(error) else PackagesError
        raise kind(f'cannot read {url}: {error}') from error
    return digest.hexdigest()


def require_hash(url, got, want):
    if got != want:
        raise PackagesError(f'{url} has the SHA256 {got}, expected {want}; '
                            'the mirror may be changing: try again')


def read(url, sha256=None):
    with tempfile.TemporaryFile() as file:
        got = download(url, file)
        if sha256:
            require_hash(url, got, sha256)
        file.seek(0)
        return file.read()


# ---- signatures ----

def find_keyring():
    if 'PEERMEM_KEYRING' in os.environ:
        return os.environ['PEERMEM_KEYRING']
    return next(filter(os.path.exists, KEYRINGS), None)


def select_check():
    """The function that checks an InRelease and returns its text."""
    keyring = find_keyring()
    if keyring and not os.path.exists(keyring):
        raise PackagesError(f'PEERMEM_KEYRING: there is no file {keyring}')
    missing = []
    if not shutil.which('gpgv'):
        missing.append('the program gpgv')
    if not keyring:
        missing.append("Debian's keys (package debian-archive-keyring)")
    if not missing:
        return lambda url, data: signed_text(url, data, keyring)
    say(f'WARNING: the signatures of the mirror are not checked, because '
        f'{" and ".join(missing)} cannot be found')
    return lambda url, data: unchecked_text(data)


def signed_text(url, data, keyring):
    """The part of an InRelease that is signed with a key of the keyring."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, 'text')
        done = subprocess.run(
            ['gpgv', '--status-fd', '1', '--keyring', os.path.abspath(keyring),
             '--output', path], input=data, capture_output=True, check=False)
        # One known key is enough: Debian signs with an old and a new one.
        states = re.findall(rb'^\[GNUPG:\] (\w+)', done.stdout, re.MULTILINE)
        if b'GOODSIG' not in states or b'BADSIG' in states:
            raise PackagesError(
                f'the signature of {url} is not valid with the keys in {keyring}:\n' +
                done.stderr.decode(errors='replace').strip())
        with open(path, encoding='utf-8') as text:
            return text.read()


def unchecked_text(data):
    """The text of a signed message, or of a file that is not signed."""
    text = data.decode('utf-8', errors='replace')
    text = re.sub(r'\A-----BEGIN PGP SIGNED MESSAGE-----\n(.+\n)*\n', '', text)
    text = text.split('\n-----BEGIN PGP SIGNATURE-----')[0]
    return re.sub(r'^- ', '', text, flags=re.MULTILINE)


# ---- indexes ----

def fields(stanza):
    """The fields of one line each."""
    return dict(re.findall(r'^([\w-]+): *(.*)$', stanza, re.MULTILINE))


def index_of(url, release):
    """Name, SHA256 and form of the index that InRelease has."""
    sums = re.search(r'^SHA256:\n((?: .*\n?)+)', release, re.MULTILINE)
    files = {name: sha256 for sha256, _, name in
             (line.split() for line in (sums[1] if sums else '').splitlines())}
    for form, unpack in UNPACK.items():
        name = f'main/binary-{ARCH}/Packages{form}'
        if name in files:
            return name, files[name], unpack
    raise PackagesError(f'{url} names no index of the architecture {ARCH}')


def read_suite(base, suite, check):
    """(name, entry) of each package of the kernel in a suite."""
    folder = f'{base}/dists/{suite}'
    url = f'{folder}/InRelease'
    release = check(url, read(url))
    about = fields(release)
    if suite not in (about.get('Codename'), about.get('Suite')):
        raise PackagesError(f'{url} is of another suite: {about.get("Codename")}')
    name, sha256, unpack = index_of(url, release)
    index = unpack(read(f'{folder}/{name}', sha256)).decode('utf-8')
    for stanza in index.split('\n\n'):
        if stanza.lstrip('\n').startswith(f'Package: {PREFIX}'):
            package = fields(stanza)
            yield package['Package'], {
                'version': package['Version'], 'sha256': package['SHA256'],
                'url': f'{base}/{package["Filename"]}'}


def read_mirror(suites):
    """{name: [entry...]} of all suites that the mirror has."""
    mirror = os.environ.get('PEERMEM_MIRROR', '').rstrip('/')
    if not mirror:
        raise PackagesError('set PEERMEM_MIRROR to the address of a mirror of Debian')
    check = select_check()
    found, index = False, {}
    for suite in suites:
        base = mirror + ('-security' if suite.endswith('-security') else '')
        try:
            for name, entry in read_suite(base, suite, check):
                index.setdefault(name, []).append(entry)
            found = True
        except NotFound as error:
            say(f'WARNING: no packages of {suite}: {error}')
    if not found:
        raise PackagesError(f'{mirror} is no mirror of Debian: it has none of '
                            f'{", ".join(suites)}')
    return index


# ---- versions ----

def part_key(part):
    """Key for comparing two parts of versions: texts and numbers take turns. In texts,
    "~" comes before the end, then letters, then all others."""
    key = []
    for text, number in re.findall(r'(\D*)(\d*)', part):
        key += [[-1 if char == '~' else ord(char) + 256 * (not char.isalpha())
                 for char in text] + [0], int(number or 0)]
    return key


def version_key(version):
    """Versions of Debian, EPOCH:UPSTREAM-REVISION, compare as their keys."""
    epoch, _, rest = version.rpartition(':')
    upstream, dash, revision = rest.rpartition('-')
    if not dash:
        upstream, revision = rest, ''
    return int(epoch or 0), part_key(upstream), part_key(revision)


def newest(entries):
    return max(entries, key=lambda entry: version_key(entry['version']))


# ---- operations ----

def load(folder):
    with open(os.path.join(folder, 'index.json'), encoding='utf-8') as file:
        return json.load(file)


def list_packages(folder, suites):
    index = read_mirror(suites)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, 'index.json')
    with open(path + '.new', 'w', encoding='utf-8') as file:
        json.dump(index, file)
    os.replace(path + '.new', path)
    print('\n'.join(index))


def get_package(entry):
    name = os.path.basename(entry['url'])
    say(f'getting {name}')
    with open(name + '.part', 'wb') as file:
        got = download(entry['url'], file)
    require_hash(entry['url'], got, entry['sha256'])
    os.rename(name + '.part', name)


def get_packages(folder, names):
    index = load(folder)
    missing = [name for name in names if name not in index]
    if missing:
        raise PackagesError(f'the mirror has no package {", ".join(missing)}')
    version = newest(index[names[0]])['version']
    for name in names:
        same = [entry for entry in index[name] if entry['version'] == version]
        get_package(newest(same or index[name]))


def main():
    usage = 'usage: debian_packages.py FOLDER list|have|get NAME...'
    if len(sys.argv) < 4:
        sys.exit(usage)
    folder, operation, *names = sys.argv[1:]
    try:
        if operation == 'list':
            list_packages(folder, names)
        elif operation == 'have':
            sys.exit(names[0] not in load(folder))
        elif operation == 'get':
            get_packages(folder, names)
        else:
            sys.exit(usage)
    except PackagesError as error:
        sys.exit(f'packages: {error}')


if __name__ == '__main__':
    main()
