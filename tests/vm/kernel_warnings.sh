# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Finds kernel warnings: lines of the kernel log that make a test run fail.
# Sourced.

VM_KERNEL_WARNINGS='WARNING:|BUG:|BUG |Oops|Kernel panic|KASAN|KCSAN|UBSAN'
VM_KERNEL_WARNINGS+='|general protection fault|Unable to handle|double fault'
VM_KERNEL_WARNINGS+='|possible (circular|recursive|irq lock inversion)'
VM_KERNEL_WARNINGS+='|inconsistent lock state|suspicious RCU usage'
VM_KERNEL_WARNINGS+='|INFO: trying to register non-static key'
VM_KERNEL_WARNINGS+='|turning off the locking correctness validator'
VM_KERNEL_WARNINGS+='|blocked for more than|detected( expedited)? stalls|soft lockup'
VM_KERNEL_WARNINGS+='|self-detected stall|[Hh]ard LOCKUP'
VM_KERNEL_WARNINGS+='|refcount_t:|list_(add|del) corruption'
VM_KERNEL_WARNINGS+='|DMA-API:|stack-protector|scheduling while atomic'
VM_KERNEL_WARNINGS+='|kmemleak: .*disabled|nobody cared'
VM_KERNEL_WARNINGS+='|cannot create duplicate filename'
VM_KERNEL_WARNINGS+='|peermem-(init|guest): '
# Messages of CONFIG_DMA_API_DEBUG at boot.
VM_HARMLESS='DMA-API: preallocated [0-9]+ debug entries'
VM_HARMLESS+='|DMA-API: debugging enabled by kernel config'
# Any other stack trace is a kernel warning too. These messages have a stack trace
# and are harmless: the tests make memory short.
VM_HARMLESS_TRACES='invoked oom-killer:|FAULT_INJECTION: forcing a failure'
VM_HARMLESS_TRACES+='|page allocation failure:|vmalloc error:'

# Reads a kernel log, which may contain any byte. Prints each kernel warning as
# LINE-NUMBER:LINE. Fails if there is none.
vm_kernel_warnings()
{
	tr '\0' '?' | warnings=$VM_KERNEL_WARNINGS harmless=$VM_HARMLESS \
		traces=$VM_HARMLESS_TRACES awk '
		$0 ~ ENVIRON["traces"] { excused = NR }
		$0 ~ ENVIRON["harmless"] { next }
		$0 ~ ENVIRON["warnings"] || \
		(/Call Trace:/ && (!excused || NR > excused + 20)) {
			print NR ":" $0
			found = 1
		}
		END { exit !found }'
}
