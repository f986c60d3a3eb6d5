#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# peermem-vm as the tests use it: the guest of the build folder without building, no
# environment but their own, and no exporter that they have not loaded.
#
# usage: vm.sh [OPTION...] [--] [COMMAND...], with the options of "./run vm".
# Environment: PEERMEM_BUILD (default: build, in the source folder).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
exec "$project/vm/peermem-vm" run --guest "${PEERMEM_BUILD:-$project/build}" \
	--no-env --no-cmb "$@"
