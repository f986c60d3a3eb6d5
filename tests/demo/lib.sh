# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the demonstrations share; source it. Needs $node, the device node with the
# memory; $counters, its client's folder in sysfs; $work, a folder; and the array
# report, for lines to show at the end.
#
# shellcheck disable=SC2154 # these are set by who sources it

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

# Runs perftest program $1 with options, server and client, both on $node;
# their output goes to $work/server and $work/client. Fails if either fails.
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

# Prints size and average bandwidth of the last run.
bandwidth()
{
	awk '$1 ~ /^[0-9]+$/ && NF == 5 { print $1, $4 }' "$work/client"
}

# Runs perftest program $1 and reports it under $2, with $3 about the memory. The
# exporter's counters must say that it served both registrations.
show_perftest()
{
	local client=${counters##*/} size rate mrs

	mrs=$(counter num_alloc_mrs)
	if ! perftest "$1"; then
		cat "$work/client"
		die "$1 failed"
	fi
	read -r size rate < <(bandwidth) || die "$1 said nothing"
	mrs=$(($(counter num_alloc_mrs) - mrs))
	[ "$mrs" -ge 2 ] || die "$client served $mrs registrations"
	say "  $rate MB/s with messages of $size bytes;" \
		"$client served $mrs registrations"
	report+=("$(printf '%-7s %-11s  %8s MB/s, %s bytes, %s' "$2" "$1" \
		"$rate" "$size" "$3")")
}
