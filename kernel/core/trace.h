/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Tracepoints of MRs, in tracefs below events/ib_peer_mem. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ib_peer_mem

#if !defined(IB_PEER_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IB_PEER_TRACE_H

#include <linux/tracepoint.h>
#include <rdma/ib_umem_peer.h>

/* A fault has ended: its duration and its result. */
TRACE_EVENT(ib_peer_fault,
	    TP_PROTO(const struct ib_umem_peer *peer, unsigned long addr,
		     size_t length, unsigned int flags, s64 us, int ret),
	    TP_ARGS(peer, addr, length, flags, us, ret),
	    TP_STRUCT__entry(__field(const void *, umem)
			     __field(unsigned long, addr)
			     __field(size_t, length)
			     __field(unsigned int, flags)
			     __field(s64, us)
			     __field(int, ret)),
	    TP_fast_assign(__entry->umem = peer;
			   __entry->addr = addr;
			   __entry->length = length;
			   __entry->flags = flags;
			   __entry->us = us;
			   __entry->ret = ret;),
	    TP_printk("umem=%p addr=%lx length=%zx write=%u us=%lld ret=%d",
		      __entry->umem, __entry->addr, __entry->length,
		      __entry->flags & 1, __entry->us, __entry->ret)
);

/* Pages were published, or the window was stale (ret). */
TRACE_EVENT(ib_peer_publish,
	    TP_PROTO(const struct ib_umem_peer *peer, unsigned long addr,
		     unsigned long pages, bool device, int ret),
	    TP_ARGS(peer, addr, pages, device, ret),
	    TP_STRUCT__entry(__field(const void *, umem)
			     __field(unsigned long, addr)
			     __field(unsigned long, pages)
			     __field(bool, device)
			     __field(int, ret)),
	    TP_fast_assign(__entry->umem = peer;
			   __entry->addr = addr;
			   __entry->pages = pages;
			   __entry->device = device;
			   __entry->ret = ret;),
	    TP_printk("umem=%p addr=%lx pages=%lu device=%d ret=%d",
		      __entry->umem, __entry->addr, __entry->pages,
		      __entry->device, __entry->ret)
);

/* Pages were invalidated: the last access to their old location has ended. */
TRACE_EVENT(ib_peer_invalidate,
	    TP_PROTO(const struct ib_umem_peer *peer, unsigned long first,
		     unsigned long last, int event),
	    TP_ARGS(peer, first, last, event),
	    TP_STRUCT__entry(__field(const void *, umem)
			     __field(unsigned long, first)
			     __field(unsigned long, last)
			     __field(int, event)),
	    TP_fast_assign(__entry->umem = peer;
			   __entry->first = first;
			   __entry->last = last;
			   __entry->event = event;),
	    TP_printk("umem=%p first=%lx last=%lx event=%d",
		      __entry->umem, __entry->first, __entry->last,
		      __entry->event)
);

/* A region died, for any reason. */
TRACE_EVENT(ib_peer_region_dead,
	    TP_PROTO(const struct ib_peer_region *region),
	    TP_ARGS(region),
	    TP_STRUCT__entry(__field(const void *, umem)
			     __field(unsigned long, start)
			     __field(size_t, length)),
	    TP_fast_assign(__entry->umem = region->umem;
			   __entry->start = region->start;
			   __entry->length = region->length;),
	    TP_printk("umem=%p start=%lx length=%zx",
		      __entry->umem, __entry->start, __entry->length)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
