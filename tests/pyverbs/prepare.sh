#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# prepare.sh FOLDER
#
# Puts the tests of rdma-core's Python bindings into FOLDER, unpacked and
# compiled. They come as documentation with the package python3-pyverbs; where
# documentation is not installed, out of the package itself.

set -euo pipefail

folder=$1
from=/usr/share/doc/rdma-core/tests

rm -rf "$folder" "$folder.deb"
if [ ! -f "$from/run_tests.py" ]; then
	mkdir -p "$folder.deb"
	(cd "$folder.deb" && apt-get -q download python3-pyverbs)
	dpkg-deb -x "$folder.deb"/*.deb "$folder.deb/root"
	from=$folder.deb/root$from
fi
mkdir -p "$folder"
cp "$from"/* "$folder/"
find "$folder" -name '*.gz' -exec gunzip {} +
rm -rf "$folder.deb"
python3 -m compileall -q "$folder"
