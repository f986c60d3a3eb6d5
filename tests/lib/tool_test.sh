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
tap_is "no number" "$("$peermem" top --count 2x 2>&1)" \
	"peermem: 2x is no count; see peermem --help"
tap_is "value missing" "$("$peermem" top --interval 2>&1)" \
	"peermem: top --interval needs a value; see peermem --help"
tap_is "no process" "$("$peermem" query 0 0x1000 4K 2>&1)" \
	"peermem: 0 is no process; see peermem --help"
tap_is "no address" "$("$peermem" query 1 0x 4K 2>&1)" \
	"peermem: 0x is no address; see peermem --help"
tap_is "no length" "$("$peermem" query 1 0x1000 99999999T 2>&1)" \
	"peermem: 99999999T is no length; see peermem --help"
tap_is "arguments missing" "$(status_of "$peermem" query 1 2)" 2
tap_is "no action" "$("$peermem" vram frob 2>&1)" \
	"peermem: vram does not know frob; see peermem --help"
tap_is "no action at all: status" "$(status_of "$peermem" vram)" 2
tap_is "too many for an action" "$("$peermem" vram list all 2>&1)" \
	"peermem: vram list takes other arguments; see peermem --help"
tap_is "no device" "$("$peermem" vram --device frob list 2>&1)" \
	"peermem: there is no device frob; is peer_vram loaded?"
tap_is "no device: status" "$(status_of "$peermem" vram --device frob list)" 1
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

# ---- what happens each second ----

# The counters move after the head was read, which is after the first look; then
# it goes on until that is seen, and once more: it may have looked in between. What they
# move by is so far apart that no column can be taken for another.
moving()
{
	local line seen=0

	"$peermem" top | {
		read -r line
		client .new 1 7 0 0 0 0 0 0 9 0
		mv "$peers/.new" "$peers/new"
		client peer_vram 1.0 1012 10 3072 2048 5242880 1048576 1000000003 \
			100077 10000005
		while read -r line; do
			echo "$line"
			[[ $line == peer_vram* ]] || continue
			[[ $seen = 0 && $line = *' 0.0'*' 0.0'*' 0.0'*' 0.0' ]] ||
				seen=$((seen + 1))
			[ $seen -lt 2 ] || break
		done
	}
}

top=$(moving)
# Field $2 of the lines of client $1, all together, an interval being a second or longer:
# nothing, or what a counter shows that has moved by $3?
rates()
{
	awk -v name="$1" -v field="$2" -v by="${3-0}" '
		$1 == name { sum += $field }
		END {
			if (!sum)
				print "none"
			else if (sum > by + 1)
				print "too much"
			else
				print sum < by / 99 ? "too little" : "some"
		}' <<< "$top"
}

# Before the claims are REGIONS, and REGISTERED (a number and a unit).
tap_is "top: claims" "$(rates peer_vram 5 1000)" some
tap_is "top: faults" "$(rates peer_vram 6 100000)" some
tap_is "top: invalidations" "$(rates peer_vram 7 10000000)" some
tap_is "top: revoked" "$(rates peer_vram 8 1000000000)" some
tap_is "top: what stands still" \
	"$(rates many 5) $(rates many 6) $(rates many 7) $(rates many 8)" \
	"none none none none"
tap_is "top: what came meanwhile" "$(rates new 5) $(rates new 7)" "none none"
tap_is "top: no escapes" "$(grep -c $'\033' <<< "$top")" 0
client peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5
tap_is "top: what is registered, as often as wanted" \
	"$("$peermem" top --count 1 | grep -o '^peer_vram  *2  *4.0 MiB' | tr -s ' ')" \
	"peer_vram 2 4.0 MiB"
rm -r "${peers:?}/new"

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
