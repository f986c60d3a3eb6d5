/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libpeermem: can this memory be registered for RDMA, can others have it, and
 * what became of what was registered. For programs on libibverbs; link with -lpeermem.
 *
 * Functions that return int return 0, or an errno as the verbs do, and leave
 * errno set to it as well. All may be called from any thread. What is given out
 * is a copy; nothing is to be freed.
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
 * struct peermem_verdict - on one kind of registration
 * @error:  errno that ibv_reg_mr() would give, or 0
 * @reason: PEER_MEM_OK, or why not; on demand, what an access would find
 */
struct peermem_verdict {
	int error;
	enum peer_mem_reason reason;
};

/**
 * struct peermem_answer - what peermem_query() found out
 * @client:    whose memory it is; of several, the first; "": no client's
 * @kinds:     enum peer_mem_kinds
 * @page_size: bytes
 * @checked:   bytes that @on_demand speaks of; see struct peer_mem_query
 */
struct peermem_answer {
	struct peermem_verdict pinned;
	struct peermem_verdict on_demand;
	uint64_t checked;
	uint32_t kinds;
	uint32_t page_size;
	char client[PEER_MEM_NAME_MAX];
};

/**
 * peermem_query() - what would become of ibv_reg_mr() with these arguments
 * @access: with or without IBV_ACCESS_ON_DEMAND, both answers are given
 *
 * Return: 0; ENOENT ib_peer_mem is not loaded; EACCES no right to open
 * /dev/peer_mem; EINVAL, ENODEV, ENOMEM as uapi/rdma/peer_mem.h says.
 */
int peermem_query(struct ibv_context *context, const void *addr, size_t length,
		  int access, struct peermem_answer *answer);

/**
 * peermem_query_process() - the same about another process
 * @pid:  0: this one
 * @addr: in that process
 *
 * Return: as peermem_query(), and ESRCH no such process, EPERM no
 * CAP_SYS_PTRACE over it.
 */
int peermem_query_process(struct ibv_context *context, pid_t pid,
			  const void *addr, size_t length, int access,
			  struct peermem_answer *answer);

/** peermem_reason_str() - a reason in words; never NULL */
const char *peermem_reason_str(enum peer_mem_reason reason);

/**
 * peermem_export_range() - a dma-buf of device memory of the process's own
 * @addr, @length: page aligned; all of it clients', one buffer or several
 * @flags:         enum peer_mem_export_flags
 * @fd:            out: a descriptor, close-on-exec, to be closed by the caller
 *
 * For ibv_reg_dmabuf_mr(), here or in another process. It is over when any part
 * of the range is unmapped here. Of whatever client, on demand; nothing is pinned.
 *
 * Return: 0; ENOENT ib_peer_mem is not loaded; EACCES no right to open
 * /dev/peer_mem, the owner of the memory refuses, or the mapping does not permit
 * writing; EFAULT not all memory of clients; EINVAL, EMFILE, ENFILE, ENOMEM.
 */
int peermem_export_range(const void *addr, size_t length, uint32_t flags,
			 int *fd);

/**
 * struct peermem_client_stats - a client and its counters
 *
 * Counters only grow; docs/observing.md tells what each counts.
 */
struct peermem_client_stats {
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
 * peermem_clients() - all clients, by name
 * @stats:     an array
 * @stat_size: sizeof(*stats)
 * @room:      its elements
 * @count:     out: how many clients there are; the first @room were given
 *
 * Return: 0; ENOENT ib_peer_mem is not loaded; ENOMEM, EINVAL.
 */
int peermem_clients(struct peermem_client_stats *stats, size_t stat_size,
		    size_t room, size_t *count);

/**
 * struct peermem_mr_stats - a registration, and what became of it
 * @addr:     first byte; of a dma-buf: offset in it
 * @length:   bytes
 * @resident: bytes, in whole pages, that an access finds without asking
 * @faults, @invalidations, @prefetched: as "rdma statistic show mr" has them
 * @number:   grows from one registration to the next; no key
 * @flags:    enum peer_mem_mr_flags
 * @page_size: bytes
 * @regions:  ranges that owners of memory know of
 * @device:   of RDMA
 * @client:   the owner of the first of @regions; "": none
 *
 * Registrations that pin system memory are the RDMA device's own affair, and
 * not among them.
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
	char client[PEER_MEM_NAME_MAX];
};

/**
 * peermem_mrs() - the registrations of a process, in the order they were made
 * @pid:       0: this process
 * @stats:     an array
 * @stat_size: sizeof(*stats)
 * @room:      its elements
 * @count:     out: how many there are; the first @room were given
 *
 * Return: 0; ENOENT ib_peer_mem is not loaded; EACCES no right to open
 * /dev/peer_mem; ESRCH no such process; EPERM no CAP_SYS_PTRACE over it; EINVAL.
 */
int peermem_mrs(pid_t pid, struct peermem_mr_stats *stats, size_t stat_size,
		size_t room, size_t *count);

/**
 * peermem_query_mr() - one of this process's
 * @mr: by ibv_reg_mr(); of several over the same range, the last is told of
 *
 * Return: as peermem_mrs(); ENODATA it is not among them.
 */
int peermem_query_mr(struct ibv_mr *mr, struct peermem_mr_stats *stats,
		     size_t stat_size);

#ifdef __cplusplus
}
#endif

#endif
