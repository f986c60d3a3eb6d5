#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The peermem tool with fake counters: files that replace the kernel's in a mount
# namespace of the test. Needs no kernel module.
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

# Creates the exporter $1 of version $2 with the counters $3...
exporter()
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

# ---- errors in the command line ----

tap_is "no command: status" "$(status_of "$peermem")" 2
tap_is "unknown command" "$("$peermem" frob 2>&1)" \
	"peermem: unknown command 'frob'; see peermem --help"
tap_is "unknown command: status" "$(status_of "$peermem" frob)" 2
tap_is "unknown option" "$("$peermem" status --frob 2>&1)" \
	"peermem: status: unrecognized option '--frob'; see peermem --help"
tap_is "unexpected argument" "$("$peermem" status --json frob 2>&1)" \
	"peermem: status: unexpected argument 'frob'; see peermem --help"
tap_is "unknown option: status" "$(status_of "$peermem" status --frob)" 2
tap_is "help: status" "$(status_of "$peermem" --help)" 0
tap_is "help goes to stdout" "$("$peermem" --help 2> /dev/null | head -c 6)" usage:
tap_is "invalid number" "$("$peermem" top --count 2x 2>&1)" \
	"peermem: invalid count '2x' (minimum: 1); see peermem --help"
tap_is "missing argument of an option" "$("$peermem" top --interval 2>&1)" \
	"peermem: top: option '--interval' requires an argument; see peermem --help"
tap_is "invalid process ID" "$("$peermem" query 0 0x1000 4K 2>&1)" \
	"peermem: invalid process ID '0'; see peermem --help"
tap_is "invalid address" "$("$peermem" query 1 0x 4K 2>&1)" \
	"peermem: invalid address '0x' (decimal or 0x...); see peermem --help"
tap_is "length overflows" "$("$peermem" query 1 0x1000 99999999T 2>&1)" \
	"peermem: invalid length '99999999T' (suffixes: K, M, G, T); see peermem --help"
tap_is "missing arguments" "$(status_of "$peermem" query 1 2)" 2
tap_is "unknown subcommand" "$("$peermem" vram frob 2>&1)" \
	"peermem: unknown vram subcommand 'frob' (list, move, evict or pressure); \
see peermem --help"
tap_is "missing subcommand" "$("$peermem" vram 2>&1)" \
	"peermem: missing subcommand: list, move, evict or pressure; see peermem --help"
tap_is "missing subcommand: status" "$(status_of "$peermem" vram)" 2
tap_is "too many arguments of a subcommand" "$("$peermem" vram list all 2>&1)" \
	"peermem: vram list: wrong number of arguments (expected: none); see peermem --help"
tap_is "no device" "$("$peermem" vram --device frob list 2>&1)" \
	"peermem: no device /dev/frob (is peer_vram loaded?)"
tap_is "no device: status" "$(status_of "$peermem" vram --device frob list)" 1
tap_is "version" "$("$peermem" --version | grep -cE '^peermem [0-9.]+$')" 1
tap_is "not loaded" "$("$peermem" status 2>&1)" \
	"peermem: module ib_peer_mem is not loaded (modprobe ib_peer_mem)"
tap_is "not loaded: status" "$(status_of "$peermem" status)" 1

# ---- completion ----

# Prints the words of a completion that $1 after $2 has, for bash.
complete_bash()
(
	# shellcheck source=tools/completion/peermem
	. "$here/../../tools/completion/peermem"
	# shellcheck disable=SC2034	# _peermem() reads it
	COMP_WORDS=(peermem "$2" "$1") COMP_CWORD=2
	_peermem
	echo "${COMPREPLY[*]}"
)

tap_is "completion: bash" "$(complete_bash --on query)" --on-demand
for word in $("$peermem" --help | grep -oE -- '--[a-z-]+|^(usage:)? +peermem [a-z]+' |
		sed 's/.* //' | sort -u); do
	tap_run "completion: bash: $word" \
		grep -qw -e "$word" "$here/../../tools/completion/peermem"
	tap_run "completion: zsh: $word" \
		grep -qw -e "$word" "$here/../../tools/completion/_peermem"
	tap_run "completion: fish: $word" \
		grep -qwE -e "${word/#--/(-l )?}" "$here/../../tools/completion/peermem.fish"
done

# ---- doctor, on a system without anything ----

doctor=$("$peermem" doctor)
tap_is "doctor: nothing works: status" "$(status_of "$peermem" doctor)" 3
tap_is "doctor: the core" "$(grep -A 1 ib_peer_mem <<< "$doctor" | tr -s ' ')" "\
no ib_peer_mem not loaded
 it is not installed for Linux $(uname -r); install peermem-dkms, or run 'cmake --install build'"
tap_is "doctor: no RDMA device" "$(grep -A 1 'RDMA devices' <<< "$doctor" | tr -s ' ')" "\
no RDMA devices none
 rdma link add rxe0 type rxe netdev INTERFACE"
tap_is "doctor: no exporters to ask for" "$(grep -c exporters <<< "$doctor")" 0
tap_is "doctor: schema" "$("$peermem" doctor --json | "$here/schema.py")" ""
tap_is "doctor: unexpected argument" "$("$peermem" doctor frob 2>&1)" \
	"peermem: doctor: unexpected argument 'frob'; see peermem --help"
mkdir $peers
tap_is "full disk" "$("$peermem" status 2>&1 > /dev/full)" \
	"peermem: write error: No space left on device"

# ---- the table ----

head="EXPORTER  VERSION     REGIONS   REGISTERED     FAULTS INVALIDATIONS  REVOKED"
tap_is "no exporters" "$("$peermem" status)" "$head"
exporter peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5
exporter a "" 0 0 0 0 0 0 0 0 18446744073709551615
exporter bytes 2 1 0 1 0 1023 0 0 0 0
exporter many 3 5 9 0 0 1 2 0 0 0
tap_is "exporters" "$("$peermem" status)" "\
EXPORTER   VERSION     REGIONS   REGISTERED     FAULTS INVALIDATIONS  REVOKED
a          -                 0          0 B          0 18446744073709551615        0
bytes      2                 1       1023 B          0             0        0
many       3                 0          0 B          0             0        0
peer_vram  1.0               2      4.0 MiB         77             5        3"

# ---- rates ----

# Runs "top" and increases counters after its header, which follows the first sample.
# Stops one table after the first one that shows a rate, because a sample can fall
# between two changes. The increments differ by factors of 100, so columns cannot be
# confused.
moving()
{
	local line seen=0

	"$peermem" top | {
		read -r line
		exporter .new 1 7 0 0 0 0 0 0 9 0
		mv "$peers/.new" "$peers/new"
		exporter peer_vram 1.0 1012 10 3072 2048 5242880 1048576 1000000003 \
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
# Sums field $2 of the lines of exporter $1. Prints "some" if the sum fits a counter that
# increased by $3. An interval is at least one second.
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

# Fields 2 to 4 are REGIONS and REGISTERED (a number and a unit).
tap_is "top: claims" "$(rates peer_vram 5 1000)" some
tap_is "top: faults" "$(rates peer_vram 6 100000)" some
tap_is "top: invalidations" "$(rates peer_vram 7 10000000)" some
tap_is "top: revoked" "$(rates peer_vram 8 1000000000)" some
tap_is "top: unchanged counters" \
	"$(rates many 5) $(rates many 6) $(rates many 7) $(rates many 8)" \
	"none none none none"
tap_is "top: new exporter" "$(rates new 5) $(rates new 7)" "none none"
tap_is "top: no escape sequences" "$(grep -c $'\033' <<< "$top")" 0
exporter peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5
tap_is "top: registered memory, and --count" \
	"$("$peermem" top --count 1 | grep -o '^peer_vram  *2  *4.0 MiB' | tr -s ' ')" \
	"peer_vram 2 4.0 MiB"
rm -r "${peers:?}/new"

on_terminal()
{
	script -qec "$* status" /dev/null < /dev/null | head -n 1 | cat -v
}

if command -v script > /dev/null; then
	tap_is "bold on a terminal" \
		"$(TERM=xterm on_terminal "$peermem" | grep -c '^\^\[\[1mEXPORTER')" 1
	tap_is "plain with NO_COLOR" \
		"$(NO_COLOR=1 TERM=xterm on_terminal "$peermem" |
			grep -c '^EXPORTER')" 1
	tap_is "plain on a dumb terminal" \
		"$(TERM=dumb on_terminal "$peermem" | grep -c '^EXPORTER')" 1
else
	tap_skip "bold on a terminal" "script(1) is not installed"
fi

# ---- the full screen ----

screen=$("$here/screen.py" 'order: faults.* PID .*INVAL/s$' p 'order: PID' l \
	'order: length' q -- "$peermem" top)
tap_is "top: the screen" "$(sed '1s/ [0-9:]\{8\} / TIME /' <<< "$screen")" "\
peermem top  TIME  order: length            keys: f i l r p order, q quit

EXPORTER          REGIONS  REGISTERED  CLAIMS/s  FAULTS/s   INVAL/s REVOKED/s
a                       0         0 B       0.0       0.0       0.0       0.0
bytes                   1      1023 B       0.0       0.0       0.0       0.0
many                    0         0 B       0.0       0.0       0.0       0.0
peer_vram               2     4.0 MiB       0.0       0.0       0.0       0.0

    PID COMMAND      DEVICE      LENGTH KIND        RESIDENT FAULTS/s  INVAL/s
exit 0"
tap_is "top: an unknown key changes nothing" \
	"$("$here/screen.py" 'order: faults' p 'order: PID' x 'order: PID' q -- "$peermem" top |
		grep -o 'order: [a-zA-Z]*')" "order: PID"

# ---- JSON and OpenMetrics ----

json()
{
	"$peermem" status --json |
		python3 -c "import json, sys; c = json.load(sys.stdin)['exporters']; print($1)"
}

tap_is "json: names" "$(json "' '.join(x['name'] for x in c)")" \
	"a bytes many peer_vram"
tap_is "json: counters" "$(json "*c[3].values()")" \
	"peer_vram 1.0 12 10 3072 2048 5242880 1048576 3 77 5"
tap_is "json: keys" "$(json "*c[3].keys()")" "name version alloc_mrs \
dealloc_mrs reg_pages dereg_pages reg_bytes dereg_bytes free_callbacks faults \
invalidations"
tap_is "json: the largest number" "$(json "c[0]['invalidations']")" \
	18446744073709551615
exporter 'a"b\c' $'\t' 1 1 1 1 1 1 1 1 1
tap_is "json: names with special characters" "$(json "[c[1]['name'], c[1]['version']]")" \
	"['a\"b\\\\c', '\\t']"
tap_is "json: schema of status" "$("$peermem" status --json | "$here/schema.py")" ""
tap_is "json: schema of top" "$("$peermem" top --json --count 1 | "$here/schema.py")" ""
tap_is "json: top prints one line for each interval" \
	"$("$peermem" top --json --count 2 | grep -c '^{.*}$')" 2
tap_is "openmetrics: a parser finds all counters" "$("$peermem" status --openmetrics |
	"$here/metrics.py" peer_vram)" "claims 12 releases 10 claimed_bytes 5242880 \
released_bytes 1048576 faults 77 invalidations 5 revoked 3"
tap_is "openmetrics: special characters" "$("$peermem" status --openmetrics |
	"$here/metrics.py" 'a"b\c' | cut -d ' ' -f 1-2)" "claims 1"
rm -r "${peers:?}"/*
tap_is "json: no exporters" "$(json c)" "[]"
tap_is "openmetrics: no exporters" "$("$peermem" status --openmetrics |
	"$here/metrics.py" peer_vram)" ""

# ---- failures ----

exporter half 1 1 1 1 1 1 1 1 1 1
exporter whole 1 1 1 1 1 1 1 1 1 1
rm $peers/half/num_faults
tap_is "an exporter that unregisters meanwhile is skipped" \
	"$(json "' '.join(x['name'] for x in c)")" whole
mkdir $peers/half/num_faults
tap_is "unreadable counter" "$("$peermem" status 2>&1)" \
	"peermem: cannot read counters: Is a directory"
tap_is "unreadable counter: status" "$(status_of "$peermem" status)" 1
tap_done
