#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# new-exporter.sh NAME [FOLDER]
#
# Makes a new exporter: the kernel module NAME in folder FOLDER (default: NAME), from the
# example exporter. It builds and passes peermem-exporter-test as it is. "./run
# new-exporter" runs this program.

set -euo pipefail

example=$(cd "$(dirname "$0")/exporter" && pwd)/peer_example.c
# Names of functions and messages stay short.
max_length=20

die()
{
	echo "new-exporter: $*" >&2
	exit 2
}

# Prints the example with all names changed to those of module $1. NAME_ begins all its
# functions.
rename_example()
{
	sed -E "s/\\bexample_/$1_/g; s/\\bEXAMPLE_/${1^^}_/g; s/\\bpeer_example\\b/$1/g
		s/Example exporter of peer memory/Exporter of peer memory/" "$example"
}

# Prints a function of the kernel that the example calls and whose name begins with $1_.
called_by_example()
{
	sed -E 's/\bexample_\w+//g' "$example" | grep -m 1 -owE "$1_[a-z0-9_]+"
}

check_name()
{
	local other

	[[ $1 =~ ^[a-z][a-z0-9_]*$ ]] ||
		die "invalid name '$1': a name has lower-case letters, digits and _," \
			"and begins with a letter"
	[ ${#1} -le $max_length ] ||
		die "invalid name '$1': a name has at most $max_length characters"
	if other=$(called_by_example "$1"); then
		die "invalid name '$1': the kernel has $other, and all names of the module" \
			"would begin with $1_"
	fi
}

print_kbuild()
{
	cat << END
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB

# The Makefile sets PEERMEM_INCLUDE. Without it: what is installed.
ifdef PEERMEM_INCLUDE
ccflags-y += -I\$(PEERMEM_INCLUDE)
else
include /usr/src/peermem/peermem.mk
endif
obj-m := $1.o
END
}

print_makefile()
{
	cat << END
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# make         build $1.ko for the running kernel
# make test    test the loaded module
# make clean   remove what was built
#
# If PEERMEM_BUILD is set, as in the virtual machine of "./run vm", it is the build folder
# of peermem. Otherwise headers and symbols are those of the package peermem-kernel-dev.

headers := /lib/modules/\$(shell uname -r)/build
KIT := peermem-exporter-test
ifdef PEERMEM_BUILD
options := PEERMEM_INCLUDE=\$(PEERMEM_BUILD)/include \\
	   KBUILD_EXTRA_SYMBOLS=\$(PEERMEM_BUILD)/kernel/Module.symvers
KIT := \$(PEERMEM_BUILD)/tests/exporter/peermem-exporter-test
endif

modules clean:
	\$(MAKE) -C \$(headers) M=\$(CURDIR) \$(options) \$@

test:
	\$(KIT) --exporter $1 --move 'echo move >&3' --revoke 'echo revoke >&3' \\
		--unload 'rmmod $1' --load 'insmod \$(CURDIR)/$1.ko' /dev/$1

.PHONY: modules clean test
END
}

print_readme()
{
	cat << END
# $1: an exporter of peer memory

The module exports memory that moves: kernel pages, which \`mmap()\` of \`/dev/$1\` creates.
[$1.c]($1.c) begins with its commands and its main rule. Build, load and test it, as
root, in the virtual machine of peermem's \`./run vm\`:

\`\`\`sh
make
insmod $1.ko
make test
\`\`\`

On a host with the package \`peermem-kernel-dev\` the first two commands are the same. The test
program is built with peermem: \`make test KIT=PEERMEM/build/tests/exporter/peermem-exporter-test\`.

To export the memory of a device, replace these functions, in this order, and test again after
each step:

1. \`$1_alloc_pages()\`, \`$1_free_pages()\`: allocate and free memory of the device.
2. \`$1_vm_fault()\`, \`$1_fault()\`: where the memory is now. Contiguous memory is one block.
3. \`$1_cpu_map()\`, \`$1_dma_map()\`, \`$1_dma_unmap()\`: how the CPU and devices reach it.
4. \`$1_move()\`: move the memory with the engine of the device.
5. \`$1_revoke()\`: call it when memory ends for ever. The file command is for tests only.

The contract of each operation is in \`rdma/peer_mem.h\`, its rules in \`docs/exporter-guide.md\` of
peermem.
END
}

[ $# = 1 ] || [ $# = 2 ] || die "usage: new-exporter NAME [FOLDER]"
name=$1 folder=${2-$1}
check_name "$name"
[ ! -e "$folder" ] || die "$folder exists; give another folder: new-exporter $name FOLDER"
mkdir -p "$folder" || die "cannot make the folder '$folder'"
rename_example "$name" > "$folder/$name.c"
print_kbuild "$name" > "$folder/Kbuild"
print_makefile "$name" > "$folder/Makefile"
print_readme "$name" > "$folder/README.md"
echo "new-exporter: $folder has the module $name; next: $folder/README.md"
