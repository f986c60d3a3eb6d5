#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Builds the book. Fails on any warning of Sphinx or kernel-doc, and on any link
# within the book that leads nowhere.
#
# usage: build.sh LINUX FOLDER
#   LINUX   part of the kernel's source, as cmake/extract-source.sh extracts it
#   FOLDER  for the book; its first page is FOLDER/html/index.html

set -euo pipefail

[ $# = 2 ] || { sed -n '/^# usage/,/^$/ s/^# \?//p' "$0" >&2; exit 2; }
linux=$(cd "$1" && pwd)
folder=$2
here=$(cd "$(dirname "$0")" && pwd)

rm -rf "$folder/html"
mkdir -p "$folder"
# The warnings of kernel-doc do not reach Sphinx: so no output at all is allowed.
status=0
PYTHONDONTWRITEBYTECODE=1 PEERMEM_LINUX=$linux \
	sphinx-build -b html -q -E -n -W --keep-going \
	-d "$folder/doctrees" "$here" "$folder/html" 2> "$folder/log" ||
	status=$?
cat "$folder/log" >&2
if [ $status != 0 ] || [ -s "$folder/log" ]; then
	rm -rf "$folder/html"
	echo "build.sh: the book has warnings" >&2
	exit 1
fi
python3 "$here/check_links.py" "$folder/html"
