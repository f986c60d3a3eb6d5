# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Functions of the demonstrations. Sourced. The sourcing script sets:
#   node      device file with the memory
#   counters  sysfs folder of its exporter
#   work      folder for temporary files
#   report    array, lines to print at the end
#
# shellcheck disable=SC2154 # set by the sourcing script

say()
{
	printf '%s\n' "$*"
}

die()
{
	say "demo: $*"
	exit 1
}

counter()
{
	local value

	read -r value < "$counters/$1" && echo "$value"
}

# Runs perftest program $1 with the options that follow, as server and as client,
# both with the memory of $node. The output is in $work/server and $work/client.
# Fails if one of them fails.
perftest()
{
	local command=("$1" -d rxe0 -F -n 1000 --mmap="$node" "${@:2}")
	local shown="$1 ${*:2}${2:+ }--mmap=$node" n server

	say "  \$ $shown &  $shown 10.0.0.1"
	"${command[@]}" > "$work/server" 2>&1 &
	server=$!
	for ((n = 0; n < 100; n++)); do
		[ -z "$(ss -Htln 'sport = 18515')" ] || break
		sleep 0.1
	done
	"${command[@]}" 10.0.0.1 > "$work/client" 2>&1
	set -- $?
	wait "$server" && [ "$1" = 0 ]
}

# Prints message size and average bandwidth of the last run.
bandwidth()
{
	awk '$1 ~ /^[0-9]+$/ && NF == 5 { print $1, $4 }' "$work/client"
}

# Runs perftest program $1 and adds a line to the report: $2 is its label, $3
# describes the memory. The counters of the exporter must show both registrations.
show_perftest()
{
	local exporter=${counters##*/} size rate mrs

	mrs=$(counter num_alloc_mrs)
	if ! perftest "$1"; then
		cat "$work/client"
		die "$1 failed"
	fi
	read -r size rate < <(bandwidth) || die "$1 printed no bandwidth"
	mrs=$(($(counter num_alloc_mrs) - mrs))
	[ "$mrs" -ge 2 ] ||
		die "$exporter has $mrs registrations, expected 2 or more"
	say "  $rate MB/s with messages of $size bytes;" \
		"$mrs registrations with $exporter"
	report+=("$(printf '%-7s %-11s  %8s MB/s, %s bytes, %s' "$2" "$1" \
		"$rate" "$size" "$3")")
}
