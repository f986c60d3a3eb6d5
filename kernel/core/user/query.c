// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_QUERY: could a process register a range? Walks the mappings of
 * the range, and probes the exporters of device mappings as a registration
 * would.
 *
 * Pinned: the whole range is system memory, or belongs to one exporter. On
 * demand: each mapping separately, as its first access would do (fault.c).
 *
 * No lock is held during a probe, so the result may be outdated. A query
 * walks each mapping of the range, and probes at most QUERY_CLAIMS times.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>
#include <uapi/rdma/peer_mem.h>

#include "importers/cpu_drivers.h"
#include "importers/device_list.h"
#include "importers/dma_hook.h"
#include "umem/probe.h"
#include "umem/region_tree.h"
#include "user/process.h"
#include "user/user.h"

/* A claim may take locks of the exporter; no user should hold them for long. */
#define QUERY_CLAIMS 256

/*
 * struct query - a query in progress
 * @user:     the struct of the ioctl
 * @process:  the process that it is about
 * @ibdev:    the RDMA device; referenced
 * @first:    first page of the range
 * @end:      end of the range, exclusive
 * @write:    the memory would be written
 * @peer:     the device reaches peer memory
 * @device:   the importer, as probes need it
 * @claims:   probes left
 * @answered: name of the exporter that replied last
 */
struct query {
	struct peer_mem_query *user;
	struct ib_peer_process process;
	struct ib_device *ibdev;
	unsigned long first;
	unsigned long end;
	bool write;
	bool peer;
	struct ib_peer_probe_device device;
	unsigned int claims;
	char answered[PEER_MEM_NAME_MAX];
};

/*
 * struct piece - a part of the range with one kind of memory
 * @end:   its end, exclusive
 * @kind:  enum peer_mem_kinds
 * @flags: VMA flags, if there is a mapping
 */
struct piece {
	unsigned long end;
	unsigned int kind;
	unsigned long flags;
};

/* Makes the same distinctions as fault_vma(). */
static unsigned int query_kind(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return PEER_MEM_HAS_DEVICE;
	return vma->vm_flags & VM_ACCESS_FLAGS ? PEER_MEM_HAS_SYSTEM :
						 PEER_MEM_HAS_HOLE;
}

/* Describes the piece at @addr. */
static int query_next_piece(const struct query *query, unsigned long addr,
			    struct piece *piece)
{
	struct mm_struct *mm = query->process.mm;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr) {
		piece->kind = query_kind(vma);
		piece->flags = vma->vm_flags;
		piece->end = min(query->end, vma->vm_end);
	} else {
		piece->kind = PEER_MEM_HAS_HOLE;
		piece->flags = 0;
		piece->end = vma ? min(query->end, vma->vm_start) : query->end;
	}
	mmap_read_unlock(mm);
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int set_result(struct peer_mem_result *result, int error,
		      enum peer_mem_status status)
{
	result->error = -error;
	result->status = status;
	return 0;
}

/* Reports the first exporter that replied. */
static int query_claim(struct query *query, struct ib_umem_peer *probe,
		       unsigned long start, unsigned long end)
{
	char *exporter = query->user->exporter;
	int ret = ib_umem_peer_probe(probe, start, end, query->write);

	if (!*exporter)
		strscpy(exporter, query->answered, PEER_MEM_NAME_MAX);
	return ret;
}

static struct ib_umem_peer *query_probe_begin(struct query *query, int flags)
{
	BUILD_BUG_ON(PEER_MEM_NAME_MAX != IB_PEER_MEMORY_NAME_MAX);
	return ib_umem_peer_probe_begin(&query->device, query->process.mm,
					query->user->addr, query->user->length,
					query->user->access | flags,
					query->answered);
}

/* ---- pinned ---- */

/* What is known about the range as a whole. */
struct whole {
	unsigned int kinds;
	unsigned int devices;
	bool denied;
};

/* Pinning by the kernel would refuse the mapping. */
static bool query_mapping_denies(const struct query *query, unsigned long flags)
{
	return !(flags & (query->write ? VM_WRITE : VM_READ));
}

static int query_scan(const struct query *query, struct whole *whole)
{
	unsigned long addr = query->first;
	struct piece piece;
	int ret;

	while (addr != query->end) {
		ret = query_next_piece(query, addr, &piece);
		if (ret)
			return ret;
		whole->kinds |= piece.kind;
		whole->devices += piece.kind == PEER_MEM_HAS_DEVICE;
		if (piece.kind != PEER_MEM_HAS_HOLE)
			whole->denied |= query_mapping_denies(query, piece.flags);
		addr = piece.end;
	}
	query->user->kinds = whole->kinds;
	return 0;
}

/* The status if no exporter owns the whole range. */
static enum peer_mem_status query_status_unclaimed(const struct whole *whole)
{
	if (whole->kinds & PEER_MEM_HAS_HOLE)
		return PEER_MEM_NOT_MAPPED;
	if (whole->kinds != PEER_MEM_HAS_DEVICE && whole->denied)
		return PEER_MEM_NOT_PERMITTED;
	if (whole->kinds != PEER_MEM_HAS_DEVICE || whole->devices > 1)
		return PEER_MEM_MIXED;
	return PEER_MEM_NO_EXPORTER;
}

static enum peer_mem_status query_status_denied(int error, bool denied)
{
	if (error == -EREMOTEIO)
		return PEER_MEM_NO_P2P_ROUTE;
	if (error != -EACCES)
		return PEER_MEM_EXPORTER_FAILED;
	return denied ? PEER_MEM_NOT_PERMITTED : PEER_MEM_DENIED;
}

static enum peer_mem_status query_status_no_pin(const struct query *query)
{
	return query->device.non_revocable ? PEER_MEM_NO_REVOKE :
						    PEER_MEM_NO_PIN;
}

/* Return: the task has the capability in the initial user namespace. */
static bool query_task_capable(struct task_struct *task, int cap)
{
	const struct cred *cred = get_task_cred(task);
	const struct cred *own = override_creds(cred);
	bool capable = ns_capable_noaudit(&init_user_ns, cap);

	revert_creds(own);
	put_cred(cred);
	return capable;
}

/* The checks of ib_umem_get() before it looks at the memory, in its order. */
static int query_limits(const struct query *query,
			struct peer_mem_result *out)
{
	unsigned long pages = (query->end - query->first) >> PAGE_SHIFT;
	unsigned long limit = task_rlimit(query->process.task, RLIMIT_MEMLOCK);
	bool may = query_task_capable(query->process.task, CAP_IPC_LOCK);
	u64 pinned = atomic64_read(&query->process.mm->pinned_vm);

	if (!limit && !may)
		return set_result(out, -EPERM, PEER_MEM_MEMLOCK_LIMIT);
	if (pages > UINT_MAX)
		return set_result(out, -EINVAL, PEER_MEM_MEMLOCK_LIMIT);
	if (pinned + pages > limit >> PAGE_SHIFT && !may)
		return set_result(out, -ENOMEM, PEER_MEM_MEMLOCK_LIMIT);
	return 1;
}

static int query_pinned_peer(struct query *query, const struct whole *whole,
			     struct peer_mem_result *out)
{
	struct ib_umem_peer *probe;
	int ret;

	if (!query->peer)
		return set_result(out, -EFAULT,
			       whole->kinds == PEER_MEM_HAS_DEVICE ?
			       PEER_MEM_NO_PEER_SUPPORT : query_status_unclaimed(whole));
	probe = query_probe_begin(query, 0);
	if (!probe)
		return -ENOMEM;
	ret = query_claim(query, probe, query->first, query->end);
	ib_umem_peer_probe_end(probe);
	switch (ret) {
	case 0:
		return set_result(out, 0, PEER_MEM_OK);
	case -EOPNOTSUPP:
		return set_result(out, ret, query_status_no_pin(query));
	case -EFAULT:
		return set_result(out, ret, query_status_unclaimed(whole));
	default:
		return set_result(out, ret,
			       query_status_denied(ret, whole->denied));
	}
}

static int query_pinned(struct query *query, struct peer_mem_result *out)
{
	int access = query->user->access;
	struct whole whole = {};
	int ret;

	ret = query_scan(query, &whole);
	if (ret)
		return ret;
	ret = ib_check_mr_access(query->ibdev, access);
	/* Neither device memory nor system memory survives power loss. */
	if (!ret && access & IB_ACCESS_FLUSH_PERSISTENT)
		ret = -EINVAL;
	if (ret)
		return set_result(out, ret, PEER_MEM_BAD_ACCESS);
	ret = query_limits(query, out);
	if (ret <= 0)
		return ret;
	if (whole.kinds == PEER_MEM_HAS_SYSTEM && !whole.denied)
		return set_result(out, 0, PEER_MEM_OK);
	return query_pinned_peer(query, &whole, out);
}

/* ---- on demand ---- */

/* Status of a device mapping, or of an address without a mapping. */
static enum peer_mem_status query_access_peer(struct query *query,
					      struct ib_umem_peer *probe,
					      unsigned long addr,
					      const struct piece *piece)
{
	bool device = piece->kind == PEER_MEM_HAS_DEVICE;
	int ret;

	if (!query->peer)
		return device ? PEER_MEM_NO_PEER_SUPPORT : PEER_MEM_NOT_MAPPED;
	ret = query_claim(query, probe, addr, piece->end);
	if (!ret)
		return PEER_MEM_OK;
	if (ret == -EFAULT)
		return device ? PEER_MEM_NO_EXPORTER : PEER_MEM_NOT_MAPPED;
	return query_status_denied(ret, false);
}

static enum peer_mem_status query_access(struct query *query,
					 struct ib_umem_peer *probe,
					 unsigned long addr,
					 const struct piece *piece)
{
	if (addr >= TASK_SIZE_MAX)
		return PEER_MEM_NOT_MAPPED;
	if (piece->kind == PEER_MEM_HAS_HOLE)
		return query_access_peer(query, probe, addr, piece);
	if (!(piece->flags & VM_READ) ||
	    (query->write && !(piece->flags & VM_WRITE)))
		return PEER_MEM_NOT_PERMITTED;
	if (piece->kind == PEER_MEM_HAS_SYSTEM)
		return PEER_MEM_OK;
	return query_access_peer(query, probe, addr, piece);
}

/*
 * *@addr: end of the part that is accessible; *@status: why not further.
 * Return: 0 or -EINTR.
 */
static int query_accesses(struct query *query, struct ib_umem_peer *probe,
			  unsigned long *addr, enum peer_mem_status *status)
{
	struct piece piece;
	int ret;

	*status = PEER_MEM_OK;
	for (*addr = query->first; *addr != query->end; *addr = piece.end) {
		ret = query_next_piece(query, *addr, &piece);
		if (ret)
			return ret;
		if (piece.kind != PEER_MEM_HAS_SYSTEM && !query->claims--)
			break;
		*status = query_access(query, probe, *addr, &piece);
		if (*status != PEER_MEM_OK)
			break;
	}
	return 0;
}

static int query_on_demand(struct query *query, struct peer_mem_result *out)
{
	int access = query->user->access | IB_ACCESS_ON_DEMAND;
	struct peer_mem_query *user = query->user;
	enum peer_mem_status status;
	struct ib_umem_peer *probe;
	unsigned long addr;
	int ret;

	if (!(query->ibdev->attrs.kernel_cap_flags & IBK_ON_DEMAND_PAGING))
		return set_result(out, -EOPNOTSUPP, PEER_MEM_NO_ON_DEMAND);
	ret = ib_check_mr_access(query->ibdev, access);
	if (!ret && access & IB_ACCESS_FLUSH_PERSISTENT)
		ret = -EINVAL;
	if (ret)
		return set_result(out, ret, PEER_MEM_BAD_ACCESS);
	probe = query_probe_begin(query, IB_ACCESS_ON_DEMAND);
	if (!probe)
		return -ENOMEM;
	ret = query_accesses(query, probe, &addr, &status);
	ib_umem_peer_probe_end(probe);
	if (ret)
		return ret;
	if (addr > user->addr)
		user->covered = min_t(u64, addr - user->addr, user->length);
	return set_result(out, 0, status);
}

/* ---- the call ---- */

static int query_check(const struct peer_mem_query *user)
{
	u64 end;

	if (user->access & ~IB_ACCESS_SUPPORTED || !user->length ||
	    check_add_overflow(user->addr, user->length, &end) ||
	    PAGE_ALIGN(end) < end)
		return -EINVAL;
	if (strnlen(user->device, PEER_MEM_NAME_MAX) == PEER_MEM_NAME_MAX)
		return -EINVAL;
	if (memchr_inv(user->exporter, 0, offsetof(struct peer_mem_query, pid) -
		       offsetof(struct peer_mem_query, exporter)))
		return -EINVAL;
	return user->reserved ? -EINVAL : 0;
}

/* Return: the device reaches peer memory through a DMA bridge. */
static bool query_dma_importer(struct query *query)
{
	enum ib_peer_importer_type type;

	if (!ib_peer_hook_serves(query->ibdev, &type))
		return false;
	query->device.dma_device = query->ibdev->dma_device;
	query->device.non_revocable = type == IB_PEER_NON_REVOCABLE;
	return true;
}

static int query_run(struct query *query)
{
	struct peer_mem_query *user = query->user;
	int ret;

	user->access &= ~(IB_ACCESS_OPTIONAL | IB_ACCESS_ON_DEMAND);
	query->first = user->addr & PAGE_MASK;
	query->end = PAGE_ALIGN(user->addr + user->length);
	query->write = ib_access_writable(user->access);
	query->device.ibdev = query->ibdev;
	query->peer = ib_peer_is_importer(query->ibdev) ||
		      query_dma_importer(query);
	user->page_size = PAGE_SIZE;

	ret = query_pinned(query, &user->pinned);
	if (!ret)
		ret = query_on_demand(query, &user->on_demand);
	return ret;
}

/* Return: 0, or an error; see include/uapi/rdma/peer_mem.h. */
int ib_peer_query(struct peer_mem_query *user)
{
	struct query query = {
		.user = user,
		.claims = QUERY_CLAIMS,
	};
	int ret;

	ret = query_check(user);
	if (ret)
		return ret;
	ret = ib_peer_process_get(&query.process, user->pid);
	if (ret)
		return ret;
	query.ibdev = ib_peer_device_get(user->device);
	if (!query.ibdev)
		ret = -ENODEV;
	else
		ret = query_run(&query);
	if (query.ibdev)
		ib_device_put(query.ibdev);
	ib_peer_process_put(&query.process);
	return ret;
}
