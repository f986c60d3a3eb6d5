/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libpeermem: queries about memory registration for RDMA, statistics of registrations
 * and exporters, and export of device memory as a dma-buf. For programs that use
 * libibverbs; link with -lpeermem.
 *
 * Functions that return int return 0 or an errno, and set errno to the same value.
 * They return no negative values. All functions are thread-safe and may be called at
 * any time, also in a child after fork(). They return copies: there is nothing to free.
 *
 * A function that fills in a struct with a size argument accepts structs of other
 * versions of this library. Fields that the library does not know become zero. A
 * struct smaller than in its first version gives EINVAL.
 */
#ifndef INFINIBAND_PEERMEM_H
#define INFINIBAND_PEERMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <infiniband/verbs.h>
#include <rdma/peer_mem.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct peermem_result - result of a query for one kind of registration
 * @error: the errno with which ibv_reg_mr() would fail, or 0
 * @status: PEER_MEM_OK or the reason. For an on-demand registration: what the first
 *	access would find
 */
struct peermem_result {
	int error;
	enum peer_mem_status status;
};

/**
 * struct peermem_query_result - result of peermem_query()
 * @pinned: result for a pinned registration
 * @on_demand: result for an on-demand registration
 * @covered: bytes from the start of the range that @on_demand covers; see
 *	struct peer_mem_query
 * @kinds: enum peer_mem_kinds of the range
 * @page_size: the unit of on-demand paging in bytes
 * @exporter: name of the exporter, the first one if there are several; "": the range
 *	has none
 */
struct peermem_query_result {
	struct peermem_result pinned;
	struct peermem_result on_demand;
	uint64_t covered;
	uint32_t kinds;
	uint32_t page_size;
	char exporter[PEER_MEM_NAME_MAX];
};

/**
 * peermem_query() - report whether ibv_reg_mr() with these arguments would succeed
 * @context: the RDMA device
 * @addr: first byte of the range
 * @length: length of the range in bytes, not 0
 * @access: enum ibv_access_flags; IBV_ACCESS_ON_DEMAND makes no difference
 * @result: out: results for a pinned and for an on-demand registration
 *
 * Registers, pins and counts nothing. The exporter takes part in the query, so the
 * result follows its policy at this moment.
 *
 * Return:
 * * 0 - *@result is valid
 * * EINVAL - @length is 0, the range wraps around, or an access flag is unknown
 * * ENODEV - the kernel has no such RDMA device in this network namespace
 * * ENOENT - the module ib_peer_mem is not loaded
 * * EACCES - no permission to open /dev/peer_mem
 * * EINTR - a fatal signal is pending
 * * ENOMEM - out of memory
 * * EMFILE, ENFILE - too many open files
 */
int peermem_query(struct ibv_context *context, const void *addr, size_t length,
		  int access, struct peermem_query_result *result);

/**
 * peermem_query_process() - peermem_query() for the memory of another process
 * @context: the RDMA device
 * @pid: the process; 0: the caller
 * @addr: first byte of the range, an address in that process
 * @length: length of the range in bytes, not 0
 * @access: enum ibv_access_flags; IBV_ACCESS_ON_DEMAND makes no difference
 * @result: out: results for a pinned and for an on-demand registration
 *
 * The limits and capabilities of that process apply.
 *
 * Return: as peermem_query(), and
 *
 * * ESRCH - no such process, or it has no address space, as a kernel thread
 * * EPERM - another process, and the caller has no CAP_SYS_PTRACE over it
 */
int peermem_query_process(struct ibv_context *context, pid_t pid,
			  const void *addr, size_t length, int access,
			  struct peermem_query_result *result);

/**
 * peermem_status_str() - describe a status
 * @status: a status from a query
 *
 * Return: a constant string, "unknown status" for other values; never NULL
 */
const char *peermem_status_str(enum peer_mem_status status);

/**
 * peermem_export_range() - create a dma-buf for a range of device memory
 * @addr: first byte of the range; page aligned
 * @length: length in bytes; a multiple of the page size, not 0
 * @flags: 0 or PEER_MEM_EXPORT_WRITE
 * @fd: out: descriptor of the dma-buf, close-on-exec. The caller closes it
 *
 * The range must be peer memory of this process: one buffer or several adjacent ones,
 * of any exporter. The descriptor is for ibv_reg_dmabuf_mr(), in this or another
 * process. Such an MR is on demand; nothing is pinned. Access ends when this process
 * unmaps any part of the range. Closing the descriptor does not end registrations.
 *
 * Return:
 * * 0 - *@fd is valid
 * * EINVAL - @addr or @length is not page aligned, @length is 0, or a flag is unknown
 * * EFAULT - part of the range is not peer memory
 * * EACCES - an exporter denies the export, a mapping does not permit writing, or
 *   there is no permission to open /dev/peer_mem
 * * ENODEV - part of the range was unmapped during the call
 * * EINTR - a fatal signal is pending
 * * ENOENT - the module ib_peer_mem is not loaded
 * * EMFILE, ENFILE - too many open files
 * * ENOMEM - out of memory
 * * any other errno that an exporter returns
 */
int peermem_export_range(const void *addr, size_t length, uint32_t flags,
			 int *fd);

/**
 * struct peermem_exporter_stats - an exporter and its counters
 * @name: name of the exporter
 * @version: its version, may be empty
 * @alloc_mrs: regions claimed
 * @dealloc_mrs: regions released
 * @reg_pages: pages of the claimed regions
 * @dereg_pages: pages of the released regions
 * @reg_bytes: bytes of the claimed regions
 * @dereg_bytes: bytes of the released regions
 * @free_callbacks: regions that the exporter revoked
 * @faults: page faults and pinned registrations that the exporter resolved
 * @invalidations: times that the exporter invalidated pages of a region
 *
 * Counters only increase. What is registered now is the difference of two counters.
 * The library reads them one after the other, so two counters can disagree while
 * registrations are in progress.
 */
struct peermem_exporter_stats {
	char name[PEER_MEM_NAME_MAX];
	char version[16];
	uint64_t alloc_mrs;
	uint64_t dealloc_mrs;
	uint64_t reg_pages;
	uint64_t dereg_pages;
	uint64_t reg_bytes;
	uint64_t dereg_bytes;
	uint64_t free_callbacks;
	uint64_t faults;
	uint64_t invalidations;
};

/**
 * peermem_exporters() - read the counters of all exporters, sorted by name
 * @stats: out: array of @room elements; may be NULL if @room is 0
 * @stat_size: ``sizeof(*stats)``
 * @room: number of elements
 * @count: out: number of exporters. The first @room of them are in @stats
 *
 * Return:
 * * 0 - success
 * * EINVAL - @stat_size is too small
 * * ENOENT - the module ib_peer_mem is not loaded
 * * EMFILE, ENFILE - too many open files
 * * ENOMEM - out of memory
 */
int peermem_exporters(struct peermem_exporter_stats *stats, size_t stat_size,
		      size_t room, size_t *count);

/**
 * struct peermem_mr_stats - one registration and its counters
 * @addr: first byte; for a dma-buf the offset in it
 * @length: length in bytes
 * @resident: bytes, in whole pages, that an access finds without a fault
 * @faults: page faults; of a DMA importer: how often its memory was mapped
 * @invalidations: pages invalidated; of a DMA importer: how often it was stopped
 * @prefetched: pages requested by prefetch
 * @number: increases from one registration to the next; not a key
 * @flags: enum peer_mem_mr_flags
 * @page_size: page size in bytes
 * @regions: number of live ranges that exporters have claimed for this MR
 * @device: name of the RDMA device
 * @exporter: name of the exporter of the first live region; "": there is none
 *
 * The counters have the values that "rdma statistic show mr" reports.
 */
struct peermem_mr_stats {
	uint64_t addr;
	uint64_t length;
	uint64_t resident;
	uint64_t faults;
	uint64_t invalidations;
	uint64_t prefetched;
	uint32_t number;
	uint32_t flags;
	uint32_t page_size;
	uint32_t regions;
	char device[PEER_MEM_NAME_MAX];
	char exporter[PEER_MEM_NAME_MAX];
};

/**
 * peermem_mrs() - list the registrations of a process in the order of their creation
 * @pid: the process; 0: the caller
 * @stats: out: array of @room elements; may be NULL if @room is 0
 * @stat_size: ``sizeof(*stats)``
 * @room: number of elements
 * @count: out: number of registrations. The first @room of them are in @stats
 *
 * The list does not have registrations that pin system memory: the driver of the RDMA
 * device manages those by itself.
 *
 * Return:
 * * 0 - success
 * * EINVAL - @stat_size is too small
 * * ENOENT - the module ib_peer_mem is not loaded
 * * EACCES - no permission to open /dev/peer_mem
 * * ESRCH - no such process, or it has no address space, as a kernel thread
 * * EPERM - another process, and the caller has no CAP_SYS_PTRACE over it
 * * EMFILE, ENFILE - too many open files
 * * ENOMEM - out of memory
 */
int peermem_mrs(pid_t pid, struct peermem_mr_stats *stats, size_t stat_size,
		size_t room, size_t *count);

/**
 * peermem_query_mr() - read the counters of one MR of this process
 * @mr: an MR from ibv_reg_mr()
 * @stats: out: its counters
 * @stat_size: ``sizeof(*stats)``
 *
 * The library finds the MR by device, address and length. If several MRs have the same
 * ones, it returns the most recent one.
 *
 * Return: as peermem_mrs() for this process, and
 *
 * * ENODATA - the MR is not in the list, because it pins system memory or is an MR of a
 *   dma-buf
 */
int peermem_query_mr(struct ibv_mr *mr, struct peermem_mr_stats *stats,
		     size_t stat_size);

#ifdef __cplusplus
}
#endif

#endif
