# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Finds kernel warnings: lines of the kernel log that make a test run fail.
# Sourced.

VM_COMPLAINTS='WARNING:|BUG:|BUG |Oops|Kernel panic|KASAN|KCSAN|UBSAN'
VM_COMPLAINTS+='|general protection fault|Unable to handle|double fault'
VM_COMPLAINTS+='|possible (circular|recursive|irq lock inversion)'
VM_COMPLAINTS+='|inconsistent lock state|suspicious RCU usage'
VM_COMPLAINTS+='|INFO: trying to register non-static key'
VM_COMPLAINTS+='|turning off the locking correctness validator'
VM_COMPLAINTS+='|blocked for more than|detected( expedited)? stalls|soft lockup'
VM_COMPLAINTS+='|self-detected stall|[Hh]ard LOCKUP'
VM_COMPLAINTS+='|refcount_t:|list_(add|del) corruption'
VM_COMPLAINTS+='|DMA-API:|stack-protector|scheduling while atomic'
VM_COMPLAINTS+='|kmemleak: .*disabled|nobody cared'
VM_COMPLAINTS+='|cannot create duplicate filename'
VM_COMPLAINTS+='|peermem-(init|guest): '
# Messages of CONFIG_DMA_API_DEBUG at boot.
VM_HARMLESS='DMA-API: preallocated [0-9]+ debug entries'
VM_HARMLESS+='|DMA-API: debugging enabled by kernel config'
# Any other stack trace is a kernel warning too. These messages have a stack trace
# and are harmless: the tests make memory short.
VM_HARMLESS_TRACES='invoked oom-killer:|FAULT_INJECTION: forcing a failure'
VM_HARMLESS_TRACES+='|page allocation failure:|vmalloc error:'

# Reads a kernel log, which may contain any byte. Prints each kernel warning as
# LINE-NUMBER:LINE. Fails if there is none.
vm_complaints()
{
	tr '\0' '?' | complaints=$VM_COMPLAINTS harmless=$VM_HARMLESS \
		traces=$VM_HARMLESS_TRACES awk '
		$0 ~ ENVIRON["traces"] { excused = NR }
		$0 ~ ENVIRON["harmless"] { next }
		$0 ~ ENVIRON["complaints"] || \
		(/Call Trace:/ && (!excused || NR > excused + 20)) {
			print NR ":" $0
			found = 1
		}
		END { exit !found }'
}
