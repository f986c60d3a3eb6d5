/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of ib_peer_mem, the core of peer memory: /dev/peer_mem.
 *
 * PEER_MEM_IOC_QUERY    what would become of an ibv_reg_mr()? Nothing is registered,
 *                       pinned or counted
 * PEER_MEM_IOC_EXPORT   a range of one's own device memory as a dma-buf
 * PEER_MEM_IOC_NEXT_MR  what became of registrations, one after the other
 *
 * Questions are about memory of one's own; for who has CAP_SYS_PTRACE over another
 * process, about that one's as well. What is told may be different a moment later.
 *
 * Each struct begins with its size and is extended at the end only: one shorter
 * or longer than the kernel's is accepted as long as what the kernel does not
 * know is zero (else E2BIG). Reserved fields and those marked "out" must be zero.
 *
 * Errors of all calls:
 *   EINVAL  unknown flag, non-zero reserved or out field, length 0, addr +
 *           length wraps around, size too small for the first version of the
 *           struct
 *   E2BIG   the struct is longer than the kernel's and its tail is not zero
 *   ESRCH   no such process, or one without memory
 *   EPERM   another process, and no CAP_SYS_PTRACE over it
 *   ENOMEM  out of kernel memory
 *   EFAULT  bad user pointer
 *   ENOTTY  no such call
 */
#ifndef _UAPI_RDMA_PEER_MEM_H
#define _UAPI_RDMA_PEER_MEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* As 0xd5 (peer_vram) and 0xd6 (peer_bar) nobody else's in Linux' own list. */
#define PEER_MEM_IOC_MAGIC 0xd4

/* With the terminating zero. */
#define PEER_MEM_NAME_MAX 64

/* What lies in a range; 0: nothing. */
enum peer_mem_kinds {
	PEER_MEM_HAS_HOST = 1 << 0,	/* system memory */
	PEER_MEM_HAS_DEVICE = 1 << 1,	/* a driver's mapping, anybody's */
	PEER_MEM_HAS_HOLE = 1 << 2,	/* nothing, or a reservation */
};

/* Why not. */
enum peer_mem_reason {
	/* It can be registered, and all of it be reached as asked. */
	PEER_MEM_OK = 0,
	/* In part of the range there is nothing. */
	PEER_MEM_NOT_MAPPED = 1,
	/* A mapping does not permit it: read-only, and writing was asked. */
	PEER_MEM_NOT_PERMITTED = 2,
	/* Memory of a device that no client of peer memory knows as its own. */
	PEER_MEM_NOBODY = 3,
	/* The owner of the memory refuses. */
	PEER_MEM_REFUSED = 4,
	/* The owner does not pin: register it on demand. */
	PEER_MEM_NO_PIN = 5,
	/* Of several owners, or partly system memory: register it on demand. */
	PEER_MEM_SEVERAL = 6,
	/* The RDMA device does not reach peer memory. */
	PEER_MEM_NO_PEER = 7,
	/* The RDMA device cannot do on demand. */
	PEER_MEM_NO_ON_DEMAND = 8,
	/* RLIMIT_MEMLOCK does not permit so much. */
	PEER_MEM_LIMIT = 9,
	/* The access flags do not go together, or not with this device. */
	PEER_MEM_BAD_ACCESS = 10,
	/* The owner of the memory failed; the error tells how. */
	PEER_MEM_FAILED = 11,
	/* The RDMA device does DMA, and cannot reach that memory from where it is. */
	PEER_MEM_NO_PATH = 12,
	/* The RDMA device pins for good, and the owner wants to be able to take back. */
	PEER_MEM_NO_REVOKE = 13,
};

/**
 * struct peer_mem_verdict - on one kind of registration
 * @error:  what ibv_reg_mr() would fail with (errno), or 0
 * @reason: enum peer_mem_reason
 *
 * Pinned: @reason is PEER_MEM_OK if and only if @error is 0. Only pinning itself
 * finds out whether there is room for it, and, of system memory, about I/O
 * errors and file systems that cannot bear it.
 *
 * On demand: a registration succeeds whatever lies in the range, so with @error
 * 0 the @reason tells what the first access would find.
 */
struct peer_mem_verdict {
	__u32 error;
	__u32 reason;
};

/**
 * struct peer_mem_query - PEER_MEM_IOC_QUERY
 * @size:      sizeof(struct peer_mem_query)
 * @access:    enum ibv_access_flags, as for ibv_reg_mr(); with or without
 *             IBV_ACCESS_ON_DEMAND, both answers are given
 * @addr:      first byte
 * @length:    bytes
 * @device:    name of the RDMA device
 * @client:    out: whose memory it is, as in /sys/kernel/mm/memory_peers, also if
 *             it refuses; of several, the first. Empty: no client's
 * @kinds:     out: enum peer_mem_kinds of what lies in the range
 * @page_size: out: bytes; the unit in which access on demand comes and goes
 * @pinned:    out
 * @on_demand: out
 * @checked:   out: bytes from @addr on that @on_demand speaks of. Less than
 *             @length if it is not PEER_MEM_OK (that far it would be), or the
 *             range has very many mappings of devices: ask for the rest then
 * @pid:       whose memory it is, by the caller's numbers; 0: the caller's own.
 *             Limits and capabilities are that process's, too
 * @reserved:  zero
 *
 * The first version ended with @checked.
 *
 * Errors, beside those of all calls:
 *   EINVAL  name of the device not terminated
 *   ENODEV  no such RDMA device, here
 *   EINTR   killed
 */
struct peer_mem_query {
	__u32 size;
	__u32 access;
	__aligned_u64 addr;
	__aligned_u64 length;
	char device[PEER_MEM_NAME_MAX];
	char client[PEER_MEM_NAME_MAX];
	__u32 kinds;
	__u32 page_size;
	struct peer_mem_verdict pinned;
	struct peer_mem_verdict on_demand;
	__aligned_u64 checked;
	__s32 pid;
	__u32 reserved;
};

enum peer_mem_mr_flags {
	PEER_MEM_MR_ON_DEMAND = 1 << 0,	/* else: pinned */
	PEER_MEM_MR_DMABUF = 1 << 1,	/* of a dma-buf */
	PEER_MEM_MR_WRITABLE = 1 << 2,	/* may be written */
	PEER_MEM_MR_REVOKED = 1 << 3,	/* over: accesses fail */
};

/**
 * struct peer_mem_mr - PEER_MEM_IOC_NEXT_MR: a registration
 * @size:    sizeof(struct peer_mem_mr)
 * @pid:     whose, by the caller's numbers; 0: the caller's own
 * @number:  in: after which one, 0: the first; out: this one's
 * @flags:   out: enum peer_mem_mr_flags
 * @addr:    out: first byte; of a dma-buf: offset in it
 * @length:  out: bytes
 * @resident: out: bytes, in whole pages, that an access finds without asking
 * @faults, @invalidations, @prefetched: out: as "rdma statistic show mr" has
 *           them; 0 for pinned ones
 * @page_size: out: bytes
 * @regions: out: ranges that owners of memory know of
 * @device:  out: name of the RDMA device
 * @client:  out: the owner of the first of @regions that is alive, or empty
 *
 * Told of are registrations on demand, of dma-bufs, and of clients' memory; not
 * those that pin system memory, which are the RDMA device's own affair. Numbers
 * grow with time, are not used again soon, and are no keys. What is registered
 * meanwhile may be missing; what was registered before and stays is not.
 *
 * Errors, beside those of all calls:
 *   ENOENT  no further registration
 */
struct peer_mem_mr {
	__u32 size;
	__s32 pid;
	__u32 number;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 resident;
	__aligned_u64 faults;
	__aligned_u64 invalidations;
	__aligned_u64 prefetched;
	__u32 page_size;
	__u32 regions;
	char device[PEER_MEM_NAME_MAX];
	char client[PEER_MEM_NAME_MAX];
};

/* Flags of struct peer_mem_export. */
enum peer_mem_export_flags {
	PEER_MEM_EXPORT_WRITE = 1 << 0,	/* whoever has it may write, too */
};

/**
 * struct peer_mem_export - PEER_MEM_IOC_EXPORT
 * @size:     sizeof(struct peer_mem_export)
 * @flags:    enum peer_mem_export_flags
 * @addr:     first byte; page aligned
 * @length:   bytes; page aligned
 * @fd:       in: 0; out: a dma-buf of that size, close-on-exec
 * @reserved: 0
 *
 * The range is memory of clients, all of it: one buffer, or several side by side in
 * mappings of their own. Whoever has the descriptor may register it with
 * ibv_reg_dmabuf_mr(), in other processes too, and reach what is mapped there: on
 * demand, with the rights of the mapping. Nothing is pinned, and the clients are
 * asked about each registration.
 *
 * It is over, for those who have registered it as well, when the process unmaps
 * any part of the range, or maps something else there, or ends: accesses fail
 * then. To close the descriptor ends no registration.
 *
 * Errors, beside those of all calls:
 *   EINVAL  addr or length not page aligned, or fd not 0
 *   EFAULT  the range is not all memory of clients
 *   EACCES  its owner refuses, or the mapping does not permit writing
 *   ENODEV  it was unmapped meanwhile
 *   EMFILE, ENFILE  too many files are open
 *   what the client says
 */
struct peer_mem_export {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__s32 fd;
	__u32 reserved;
};

#define PEER_MEM_IOC_QUERY _IO(PEER_MEM_IOC_MAGIC, 0)
#define PEER_MEM_IOC_EXPORT _IO(PEER_MEM_IOC_MAGIC, 1)
#define PEER_MEM_IOC_NEXT_MR _IO(PEER_MEM_IOC_MAGIC, 2)

#endif
