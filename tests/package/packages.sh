# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Checks of built packages. Sourced by tests that have the functions of tests/tap.sh.

# build_packages FOLDER [ARCHITECTURE]
build_packages()
{
	tap_run "packages are built" packaging/package.sh "$@"
	# For root, lintian says that root is not recommended.
	tap_is "lintian finds nothing" \
		"$(lintian --allow-root "$1"/*.changes 2>&1 | grep '^[EW]:')" ""
}

# The provider in FOLDER depends on one release of rdma-core: of VERSION, a pattern.
provider_depends_on()
{
	tap_run "provider depends on the rdma-core release that it was built from" \
		grep -E "libibverbs1 \(>= $2\), libibverbs1 \(<< $2\+~\)" \
		<(dpkg-deb -f "$1"/peermem-provider_*.deb Depends)
}
