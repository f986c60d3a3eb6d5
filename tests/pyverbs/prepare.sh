#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# prepare.sh DIRECTORY
#
# Unpacks and compiles the tests of rdma-core's Python bindings in DIRECTORY. They
# are documentation files of the package python3-pyverbs. If documentation is not
# installed, the script downloads the package.

set -euo pipefail

directory=$1
from=/usr/share/doc/rdma-core/tests

rm -rf "$directory" "$directory.deb"
if [ ! -f "$from/run_tests.py" ]; then
	mkdir -p "$directory.deb"
	(cd "$directory.deb" && apt-get -q download python3-pyverbs)
	dpkg-deb -x "$directory.deb"/*.deb "$directory.deb/root"
	from=$directory.deb/root$from
fi
mkdir -p "$directory"
cp "$from"/* "$directory/"
find "$directory" -name '*.gz' -exec gunzip {} +
rm -rf "$directory.deb"
python3 -m compileall -q "$directory"
