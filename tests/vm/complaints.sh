# shellcheck shell=bash disable=SC2034	# for who sources it
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What makes a line of the kernel's log a complaint. Sourced.

VM_COMPLAINTS='WARNING:|BUG:|BUG |Oops|Kernel panic|KASAN|KCSAN|UBSAN'
VM_COMPLAINTS+='|general protection fault|Unable to handle|double fault'
VM_COMPLAINTS+='|possible (circular|recursive|irq lock inversion)'
VM_COMPLAINTS+='|inconsistent lock state|suspicious RCU usage'
VM_COMPLAINTS+='|blocked for more than|detected( expedited)? stalls|soft lockup'
VM_COMPLAINTS+='|refcount_t:|list_(add|del) corruption'
VM_COMPLAINTS+='|DMA-API:|stack-protector|scheduling while atomic'
VM_COMPLAINTS+='|peermem-(init|guest): '
# What a kernel with CONFIG_DMA_API_DEBUG says of itself at boot.
VM_HARMLESS='DMA-API: preallocated [0-9]+ debug entries'
VM_HARMLESS+='|DMA-API: debugging enabled by kernel config'
