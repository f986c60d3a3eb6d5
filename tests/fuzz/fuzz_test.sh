#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fuzz_test.sh FUZZ: quick run of the fuzzer. Some seeds with one thread, one of
# them twice, with the same calls and results. Then threads that race, and a user
# without privileges.
#
# shellcheck disable=SC2317 # tap_run calls them

set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../tap.sh
. "$here/../tap.sh"
fuzz=$1
count=1000 slow=
# Kernels with debug checks are slower. There, the fuzzer itself is not tested.
case $(uname -r) in
*-peermem-*) count=700 slow=1 ;;
esac

hash_of()
{
	"$fuzz" "$@" | sed -n 's/.* hash \([0-9a-f]*\): good.*/\1/p'
}

same_twice()
{
	local first second

	first=$(hash_of "$@")
	second=$(hash_of "$@")
	echo "$first, then $second"
	[ -n "$first" ] && [ "$first" = "$second" ]
}

other_seeds_differ()
{
	[ "$(hash_of --seed 1 --count 50)" != "$(hash_of --seed 2 --count 50)" ]
}

as_nobody()
{
	local nodes=(/dev/peer_{vram0,cmb*,mem} /dev/infiniband/uverbs*
		     /dev/edu_rdma)
	local modes result

	modes=$(stat -c "chmod %a %n;" "${nodes[@]}")
	chmod 0666 "${nodes[@]}"
	"$fuzz" --user 65534 "$@"
	result=$?
	eval "$modes"
	return "$result"
}

if [ -z "$slow" ]; then
	tap_run "one seed gives the same hash twice" same_twice --seed 1 --count "$count"
	tap_run "different seeds give different hashes" other_seeds_differ
fi
for seed in 2 3 4; do
	tap_run "seed $seed" "$fuzz" --seed "$seed" --count "$count"
done
tap_run "4 threads" "$fuzz" --seed 5 --count $((count / 4)) --threads 4
tap_run "without privileges" as_nobody --seed 6 --count "$count"
tap_done
