# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Counters of the RDMA device and of peermem, for --results. Sourced by guest.sh.

# counters_write WHEN: writes lines "NAME VALUE" to a file that the host reads. Runs no
# command, because each takes 50 ms under emulation.
counters_write()
{
	local folder=/run/peermem/out/.peermem file value

	[ -d $folder ] || mkdir $folder
	for file in /sys/class/infiniband/*/ports/1/hw_counters/* \
			/sys/kernel/mm/memory_peers/*/*; do
		{ read -r value < "$file"; } 2> /dev/null || continue
		file=${file#/sys/class/infiniband/} file=${file#/sys/kernel/mm/}
		[[ ! $value =~ ^[0-9]+$ ]] || echo "${file/ports\/1\/hw_counters\//} $value"
	done > "$folder/$1"
}
