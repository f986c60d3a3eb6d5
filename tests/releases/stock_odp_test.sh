#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# On-demand MRs of anonymous memory on Linux 7.3, side by side: rxe of the distribution
# has its own since 6.16, and damages bytes; the project's do not. If the first test case
# fails, the distribution has mended it, and docs/hosts.md is to be corrected.

cd "$(dirname "$0")/../.." || exit
. tests/tap.sh

./run build --kernel 7.3 > /dev/null 2>&1
program=$(echo "${PEERMEM_BUILD:-build}"/kernel-7.3*/tests/verbs/odp_test)

traffic()
{
	./run vm --kernel 7.3 --no-build "$@" -- "$program" -v host 2>&1
}

output=$(traffic --stock)
if grep -q '^# host, mapping: byte [0-9]* is ' <<< "$output"; then
	tap_ok "the distribution's rxe: bytes are wrong"
	grep '^# host' <<< "$output"
else
	tap_fail "the distribution's rxe: bytes are wrong" "$(tail -n 30 <<< "$output")"
fi
tap_run "the project's rxe: all bytes are correct" traffic
tap_done
