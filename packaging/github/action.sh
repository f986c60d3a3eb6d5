#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# action.sh STEP: the steps of action.yml. Its inputs are variables of the environment.

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
packages=${PEERMEM_ACTION_PACKAGES-}

fail()
{
	echo "::error::peermem: $*"
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Users of GitHub's own runners are not in the group kvm, and may use sudo.
allow_kvm()
{
	if [ "${RUNNER_ENVIRONMENT-}" = github-hosted ] && [ -e /dev/kvm ] &&
			[ ! -w /dev/kvm ]; then
		as_root chmod 666 /dev/kvm
	fi
}

# Prints the files of the packages.
package_files()
{
	local pattern

	if [ -d "$packages" ]; then
		set -- "$packages"/*.deb
	else
		# shellcheck disable=SC2086	# they are patterns
		set -- $packages
	fi
	for pattern; do
		[ -f "$pattern" ] || fail "there is no package $pattern"
		realpath "$pattern"
	done
}

install()
{
	local files

	files=$(package_files) || { echo "$files"; exit 1; }
	mapfile -t files <<< "$files"
	as_root apt-get -q update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
		--no-install-recommends "${files[@]}"
}

build()
{
	as_root "$here/run" setup build vm debug
	"$here/run" build
}

run()
{
	local vm options results=$PEERMEM_ACTION_RESULTS status=0
	local command=$PEERMEM_ACTION_RUN

	[ -n "${command//[[:space:]]/}" ] || fail "the input 'run' is empty"
	vm=("$here/run" vm)
	[ -z "$packages" ] || vm=(peermem-vm run)
	read -r -d '' -a options <<< "$PEERMEM_ACTION_OPTIONS" || :
	# The command gets the environment of the step without the inputs of the action.
	unset "${!PEERMEM_ACTION_@}"
	rm -f "$results/summary.md"
	"${vm[@]}" ${options[@]+"${options[@]}"} --results "$results" -- \
		bash -eo pipefail -c "$command" || status=$?
	[ ! -f "$results/summary.md" ] ||
		cat "$results/summary.md" >> "$GITHUB_STEP_SUMMARY"
	exit $status
}

case ${1-} in
allow_kvm|install|build|run) "$1" ;;
*) fail "unknown step '${1-}'" ;;
esac
