# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# For the Kbuild of a module that uses ib_peer_mem or ib_peer_bar: headers, and symbols
# of the modules that are built for the same kernel.
#
#   include /usr/src/peermem/peermem.mk
#   obj-m := my_exporter.o
ccflags-y += -I/usr/src/peermem/include
KBUILD_EXTRA_SYMBOLS += /usr/src/ofa_kernel/$(KERNELRELEASE)/Module.symvers
