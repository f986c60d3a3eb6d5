/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of ib_peer_mem, the core of peer memory: ioctls of /dev/peer_mem.
 *
 * PEER_MEM_IOC_QUERY    reports whether ibv_reg_mr() of a range would succeed, and if
 *                       not, why. It registers, pins and counts nothing
 * PEER_MEM_IOC_EXPORT   creates a dma-buf for a range of the caller's device memory
 * PEER_MEM_IOC_NEXT_MR  reports the registrations of a process, one per call
 *
 * Every process may query its own memory and registrations. Another process requires
 * CAP_SYS_PTRACE in the user namespace of that process. Results describe the moment of
 * the call: the kernel holds no lock when it returns, so they can be out of date.
 *
 * Each struct begins with its size and is extended at its end only. The kernel
 * accepts a struct that is shorter or longer than its own if all bytes that it does
 * not know are zero. Fields marked "out" and reserved fields must be zero on entry.
 *
 * Errors of all calls:
 *   EINVAL  unknown flag; nonzero reserved or out field; length 0; addr + length
 *           wraps around; size smaller than the first version of the struct
 *   E2BIG   the struct is longer than the kernel's and its tail is not zero; or size
 *           is larger than a page
 *   ENOMEM  out of kernel memory
 *   EFAULT  bad user pointer
 *   ENOTTY  unknown ioctl number
 *
 * Errors of the calls that take a process ID:
 *   ESRCH   no such process, or it has no address space, as a kernel thread
 *   EPERM   another process, and the caller has no CAP_SYS_PTRACE over it
 */
#ifndef _UAPI_RDMA_PEER_MEM_H
#define _UAPI_RDMA_PEER_MEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Like 0xd5 (peer_vram) and 0xd6 (peer_bar), this number is not in use in the kernel's
 * ioctl-number list.
 */
#define PEER_MEM_IOC_MAGIC 0xd4

/* Size of a name, with its terminating zero. */
#define PEER_MEM_NAME_MAX 64

/**
 * enum peer_mem_kinds - kinds of memory in a range; a bit mask
 * @PEER_MEM_HAS_SYSTEM: system memory
 * @PEER_MEM_HAS_DEVICE: mappings of device drivers, with or without an exporter
 * @PEER_MEM_HAS_HOLE: addresses that are not mapped, or mapped PROT_NONE
 */
enum peer_mem_kinds {
	PEER_MEM_HAS_SYSTEM = 1 << 0,
	PEER_MEM_HAS_DEVICE = 1 << 1,
	PEER_MEM_HAS_HOLE = 1 << 2,
};

/**
 * enum peer_mem_status - why a range cannot be registered or accessed
 * @PEER_MEM_OK: the whole range can be registered and accessed as requested
 * @PEER_MEM_NOT_MAPPED: part of the range is not mapped
 * @PEER_MEM_NOT_PERMITTED: a mapping does not permit the access, such as writing to a
 *	read-only mapping
 * @PEER_MEM_NO_EXPORTER: device memory that no exporter claims
 * @PEER_MEM_DENIED: the exporter denies the registration
 * @PEER_MEM_NO_PIN: the exporter does not pin. Register on demand
 * @PEER_MEM_MIXED: the range belongs to several exporters or buffers, or partly to
 *	system memory. Register on demand, or each part by itself
 * @PEER_MEM_NO_PEER_SUPPORT: the RDMA device does not support peer memory
 * @PEER_MEM_NO_ON_DEMAND: the RDMA device does not support on-demand paging
 * @PEER_MEM_MEMLOCK_LIMIT: the registration would exceed RLIMIT_MEMLOCK
 * @PEER_MEM_BAD_ACCESS: the access flags contradict each other, or the RDMA device
 *	does not support them
 * @PEER_MEM_EXPORTER_FAILED: the exporter failed with the error that is reported
 * @PEER_MEM_NO_P2P_ROUTE: the RDMA device does DMA and cannot reach the memory from
 *	its place in the PCI hierarchy
 * @PEER_MEM_NO_REVOKE: the RDMA device is a non-revocable importer, and the exporter
 *	must be able to revoke its memory
 */
enum peer_mem_status {
	PEER_MEM_OK = 0,
	PEER_MEM_NOT_MAPPED = 1,
	PEER_MEM_NOT_PERMITTED = 2,
	PEER_MEM_NO_EXPORTER = 3,
	PEER_MEM_DENIED = 4,
	PEER_MEM_NO_PIN = 5,
	PEER_MEM_MIXED = 6,
	PEER_MEM_NO_PEER_SUPPORT = 7,
	PEER_MEM_NO_ON_DEMAND = 8,
	PEER_MEM_MEMLOCK_LIMIT = 9,
	PEER_MEM_BAD_ACCESS = 10,
	PEER_MEM_EXPORTER_FAILED = 11,
	PEER_MEM_NO_P2P_ROUTE = 12,
	PEER_MEM_NO_REVOKE = 13,
};

/**
 * struct peer_mem_result - result of a query for one kind of registration
 * @error: the errno with which ibv_reg_mr() would fail, or 0
 * @status: enum peer_mem_status
 *
 * Pinned registration: @status is PEER_MEM_OK if and only if @error is 0. A query does
 * not detect failures that only pinning finds: lack of room and, for system memory,
 * I/O errors and file systems whose pages cannot be pinned.
 *
 * On-demand registration: it succeeds whatever lies in the range. With @error 0,
 * @status reports what the first access would find.
 */
struct peer_mem_result {
	__u32 error;
	__u32 status;
};

/**
 * struct peer_mem_query - argument of PEER_MEM_IOC_QUERY
 * @size: sizeof(struct peer_mem_query)
 * @access: enum ibv_access_flags, as for ibv_reg_mr(). IBV_ACCESS_ON_DEMAND makes no
 *	difference: the kernel reports both kinds of registration
 * @addr: first byte of the range
 * @length: length of the range in bytes
 * @device: name of the RDMA device, with a terminating zero
 * @exporter: out: name of the exporter as in /sys/kernel/mm/memory_peers, also if it
 *	denies the registration. The first one if there are several. Empty if the range
 *	has none
 * @kinds: out: enum peer_mem_kinds of the range
 * @page_size: out: the unit of on-demand paging in bytes
 * @pinned: out: result for a pinned registration
 * @on_demand: out: result for an on-demand registration
 * @covered: out: bytes from @addr that @on_demand covers. It is less than @length in
 *	two cases. If the status of @on_demand is not PEER_MEM_OK, accesses succeed for
 *	this many bytes. Else the range has more mappings of devices or holes than one
 *	call asks exporters about (256), and the caller can query the rest
 * @pid: process whose memory is queried, in the caller's PID namespace; 0: the caller.
 *	The limits and capabilities of that process apply
 * @reserved: zero
 *
 * The first version of this struct ended with @covered.
 *
 * Errors in addition to those of all calls and of those with a process ID:
 *   EINVAL  @device has no terminating zero
 *   ENODEV  no such RDMA device in the caller's network namespace
 *   EINTR   a fatal signal is pending
 */
struct peer_mem_query {
	__u32 size;
	__u32 access;
	__aligned_u64 addr;
	__aligned_u64 length;
	char device[PEER_MEM_NAME_MAX];
	char exporter[PEER_MEM_NAME_MAX];
	__u32 kinds;
	__u32 page_size;
	struct peer_mem_result pinned;
	struct peer_mem_result on_demand;
	__aligned_u64 covered;
	__s32 pid;
	__u32 reserved;
};

/**
 * enum peer_mem_mr_flags - properties of a registration
 * @PEER_MEM_MR_ON_DEMAND: on-demand MR; without this flag the MR is pinned
 * @PEER_MEM_MR_DMABUF: MR of a dma-buf
 * @PEER_MEM_MR_WRITABLE: the access flags include write access
 * @PEER_MEM_MR_REVOKED: access was revoked; all accesses fail
 */
enum peer_mem_mr_flags {
	PEER_MEM_MR_ON_DEMAND = 1 << 0,
	PEER_MEM_MR_DMABUF = 1 << 1,
	PEER_MEM_MR_WRITABLE = 1 << 2,
	PEER_MEM_MR_REVOKED = 1 << 3,
};

/**
 * struct peer_mem_mr - argument of PEER_MEM_IOC_NEXT_MR: one registration
 * @size: sizeof(struct peer_mem_mr)
 * @pid: process that made the registration, in the caller's PID namespace; 0: the caller
 * @number: in: number of the preceding registration, 0 to get the first one; out:
 *	number of this registration
 * @flags: out: enum peer_mem_mr_flags
 * @addr: out: first byte; for a dma-buf the offset in it
 * @length: out: length in bytes
 * @resident: out: bytes, in whole pages, that an access finds without a fault
 * @faults: out: page faults; of a DMA importer: how often its memory was mapped
 * @invalidations: out: pages invalidated; of a DMA importer: how often it was stopped
 * @prefetched: out: pages requested by prefetch
 * @page_size: out: page size in bytes
 * @regions: out: number of live ranges that exporters have claimed for this MR
 * @device: out: name of the RDMA device
 * @exporter: out: name of the exporter of the first live region; empty if there is none
 *
 * The counters have the values that "rdma statistic show mr" reports.
 *
 * The list has on-demand MRs, MRs of dma-bufs, and MRs of peer memory. It does not
 * have MRs that pin system memory: the driver of the RDMA device manages those by
 * itself.
 *
 * Numbers increase with time and wrap around after 2^32 registrations. They are not
 * keys. A walk through the list returns each MR that exists for the whole walk; an MR
 * that is created or deregistered meanwhile may be missing.
 *
 * Errors in addition to those of all calls and of those with a process ID:
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
	char exporter[PEER_MEM_NAME_MAX];
};

/**
 * enum peer_mem_export_flags - flags of struct peer_mem_export
 * @PEER_MEM_EXPORT_WRITE: holders of the descriptor may write
 */
enum peer_mem_export_flags {
	PEER_MEM_EXPORT_WRITE = 1 << 0,
};

/**
 * struct peer_mem_export - argument of PEER_MEM_IOC_EXPORT
 * @size: sizeof(struct peer_mem_export)
 * @flags: enum peer_mem_export_flags
 * @addr: first byte of the range; page aligned
 * @length: length in bytes; a multiple of the page size
 * @fd: in: 0; out: descriptor of a dma-buf of @length bytes, close-on-exec
 * @reserved: zero
 *
 * The whole range must be peer memory: one buffer, or several adjacent buffers in
 * mappings of their own. The dma-buf pins and claims nothing. It is the right to
 * register the range with ibv_reg_dmabuf_mr(), also in another process that receives
 * the descriptor. Such an MR is on demand and has the rights of the mapping. The
 * exporters decide about each registration separately.
 *
 * The right ends when the process unmaps any part of the range, maps something else
 * there, or exits. Accesses through all MRs of the dma-buf fail then, and new
 * registrations fail with ENODEV. Closing the descriptor does not end registrations.
 *
 * DMA devices may attach to the dma-buf if the range is one buffer, the descriptor is
 * writable, and their driver follows moves. It cannot be mapped.
 *
 * Errors in addition to those of all calls:
 *   EINVAL  @addr or @length not page aligned, or @fd not 0
 *   EFAULT  part of the range is not peer memory
 *   EACCES  an exporter denies the export, or a mapping does not permit writing
 *   ENODEV  part of the range was unmapped during the call
 *   EMFILE  the process has too many open files
 *   ENFILE  the system has too many open files
 *   EINTR   a fatal signal is pending
 *   other errors that an exporter returns
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
