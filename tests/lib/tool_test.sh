#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The peermem command, on counters that are made up: files in the place of those
# of the kernel, in a mount namespace of its own.
# usage: tool_test.sh COMMAND

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

peermem=$1

if [ "$(id -u)" != 0 ] || ! unshare -m true 2> /dev/null; then
	echo "1..0 # SKIP needs a mount namespace"
	exit 4
fi
if [ -z "${TOOL_TEST_INSIDE-}" ]; then
	TOOL_TEST_INSIDE=1 exec unshare -m --propagation private "$0" "$@"
fi

mount -t tmpfs none /sys/kernel/mm || exit
peers=/sys/kernel/mm/memory_peers

# A client with counters $3...
client()
{
	local name=$1 version=$2 file

	shift 2
	mkdir -p "$peers/$name"
	echo "$version" > "$peers/$name/version"
	for file in alloc_mrs dealloc_mrs reg_pages dereg_pages reg_bytes \
			dereg_bytes free_callbacks faults invalidations; do
		echo "$1" > "$peers/$name/num_$file"
		shift
	done
}

status_of()
{
	"$@" > /dev/null 2>&1
	echo $?
}

# ---- mistakes ----

tap_is "no command: status" "$(status_of "$peermem")" 2
tap_is "unknown command" "$("$peermem" frob 2>&1)" \
	"peermem: no command frob; see peermem --help"
tap_is "unknown command: status" "$(status_of "$peermem" frob)" 2
tap_is "unknown option" "$("$peermem" status --frob 2>&1)" \
	"peermem: status does not know --frob; see peermem --help"
tap_is "argument too many" "$("$peermem" status --json frob 2>&1)" \
	"peermem: status takes no argument frob; see peermem --help"
tap_is "option: status" "$(status_of "$peermem" status --frob)" 2
tap_is "help: status" "$(status_of "$peermem" --help)" 0
tap_is "help is for stdout" "$("$peermem" --help 2> /dev/null | head -c 6)" usage:
tap_is "version" "$("$peermem" --version | grep -cE '^peermem [0-9.]+$')" 1
tap_is "not loaded" "$("$peermem" status 2>&1)" \
	"peermem: ib_peer_mem is not loaded: modprobe ib_peer_mem"
tap_is "not loaded: status" "$(status_of "$peermem" status)" 1
mkdir $peers
tap_is "full disk" "$("$peermem" status 2>&1 > /dev/full)" \
	"peermem: cannot write: No space left on device"

# ---- the table ----

head="CLIENT  VERSION     REGIONS   REGISTERED     FAULTS INVALIDATIONS  REVOKED"
tap_is "no clients" "$("$peermem" status)" "$head"
client peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5
client a "" 0 0 0 0 0 0 0 0 18446744073709551615
client bytes 2 1 0 1 0 1023 0 0 0 0
client many 3 5 9 0 0 1 2 0 0 0
tap_is "clients" "$("$peermem" status)" "\
CLIENT     VERSION     REGIONS   REGISTERED     FAULTS INVALIDATIONS  REVOKED
a          -                 0          0 B          0 18446744073709551615        0
bytes      2                 1       1023 B          0             0        0
many       3                 0          0 B          0             0        0
peer_vram  1.0               2      4.0 MiB         77             5        3"

on_terminal()
{
	script -qec "$* status" /dev/null < /dev/null | head -n 1 | cat -v
}

if command -v script > /dev/null; then
	tap_is "bold on a terminal" \
		"$(TERM=xterm on_terminal "$peermem" | grep -c '^\^\[\[1mCLIENT')" 1
	tap_is "plain with NO_COLOR" \
		"$(NO_COLOR=1 TERM=xterm on_terminal "$peermem" |
			grep -c '^CLIENT')" 1
	tap_is "plain on a dumb terminal" \
		"$(TERM=dumb on_terminal "$peermem" | grep -c '^CLIENT')" 1
else
	tap_skip "bold on a terminal" "there is no script(1)"
fi

# ---- JSON ----

json()
{
	"$peermem" status --json |
		python3 -c "import json, sys; c = json.load(sys.stdin)['clients']; print($1)"
}

tap_is "json: names" "$(json "' '.join(x['name'] for x in c)")" \
	"a bytes many peer_vram"
tap_is "json: counters" "$(json "*c[3].values()")" \
	"peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5"
tap_is "json: which is which" "$(json "*c[3].keys()")" "name version alloc_mrs \
dealloc_mrs reg_pages dereg_pages reg_bytes dereg_bytes free_callbacks faults \
invalidations"
tap_is "json: the largest number" "$(json "c[0]['invalidations']")" \
	18446744073709551615
client 'a"b\c' $'\t' 1 1 1 1 1 1 1 1 1
tap_is "json: names that need care" "$(json "[c[1]['name'], c[1]['version']]")" \
	"['a\"b\\\\c', '\\t']"
rm -r "${peers:?}"/*
tap_is "json: no clients" "$(json c)" "[]"

# ---- trouble ----

client half 1 1 1 1 1 1 1 1 1 1
client whole 1 1 1 1 1 1 1 1 1 1
rm $peers/half/num_faults
tap_is "a client that goes meanwhile is left out" \
	"$(json "' '.join(x['name'] for x in c)")" whole
mkdir $peers/half/num_faults
tap_is "what cannot be read is told" "$("$peermem" status 2>&1)" \
	"peermem: cannot read the counters: Is a directory"
tap_is "what cannot be read: status" "$(status_of "$peermem" status)" 1
tap_done
