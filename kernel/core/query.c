// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What would become of a registration by a process? Looks at the mappings of the
 * range, one after the other, and asks the owners of those that are devices' as a
 * registration would: by a claim, which is given back.
 *
 * Pinned: the range as a whole is system memory, or one client's. On demand: each
 * mapping for itself, as the first access to it would (fault.c).
 *
 * No lock is held over a claim, so what was seen may be different when it is
 * told. A long range costs a look at each of its mappings, and at most
 * QUERY_CLAIMS claims.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>
#include <uapi/rdma/peer_mem.h>

#include "bridge.h"
#include "ib_peer.h"

/* A claim may take locks of its client's; nobody should take them for long. */
#define QUERY_CLAIMS 256

/* Drivers whose devices reach peer memory, by enum rdma_driver_id. */
#define DRIVERS 64
static DECLARE_BITMAP(importers, DRIVERS);

/*
 * struct query - a question under way
 * @user:     its other half
 * @whose:    the process it is about
 * @ibdev:    in use
 * @first:    first page of the range
 * @end:      behind the last
 * @write:    the memory would be written
 * @peer:     the device reaches peer memory
 * @flavour:  as far as known, if by DMA
 * @claims:   how many more are asked for
 * @answered: by whom the last one was
 */
struct query {
	struct peer_mem_query *user;
	struct ib_peer_whose whose;
	struct ib_device *ibdev;
	unsigned long first;
	unsigned long end;
	bool write;
	bool peer;
	enum ib_peer_flavour flavour;
	unsigned int claims;
	char answered[PEER_MEM_NAME_MAX];
};

/*
 * struct piece - a part of the range in which it is all the same
 * @end:   behind it
 * @kind:  enum peer_mem_kinds
 * @flags: of the mapping, if there is one
 */
struct piece {
	unsigned long end;
	unsigned int kind;
	unsigned long flags;
};

void ib_umem_peer_add_driver(enum rdma_driver_id id)
{
	if (!WARN_ON(id >= DRIVERS))
		set_bit(id, importers);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_add_driver);

void ib_umem_peer_remove_driver(enum rdma_driver_id id)
{
	if (!WARN_ON(id >= DRIVERS))
		clear_bit(id, importers);
	/* Their functions are about to go. */
	ib_peer_queue_flush();
}
EXPORT_SYMBOL_GPL(ib_umem_peer_remove_driver);

bool ib_peer_is_importer(const struct ib_device *ibdev)
{
	unsigned int id = ibdev->ops.driver_id;

	return id < DRIVERS && test_bit(id, importers);
}

/* The same differences as fault_vma() makes. */
static unsigned int query_kind(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return PEER_MEM_HAS_DEVICE;
	return vma->vm_flags & VM_ACCESS_FLAGS ? PEER_MEM_HAS_HOST :
						 PEER_MEM_HAS_HOLE;
}

/* What lies at @addr. */
static int query_look(const struct query *query, unsigned long addr,
		      struct piece *piece)
{
	struct mm_struct *mm = query->whose.mm;
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

static int verdict(struct peer_mem_verdict *verdict, int error,
		   enum peer_mem_reason reason)
{
	verdict->error = -error;
	verdict->reason = reason;
	return 0;
}

/* The first client that has an answer is the one that is named. */
static int query_claim(struct query *query, struct ib_umem_peer *trial,
		       unsigned long start, unsigned long end)
{
	char *client = query->user->client;
	int ret = ib_umem_peer_try(trial, start, end, query->write);

	if (!*client)
		strscpy(client, query->answered, PEER_MEM_NAME_MAX);
	return ret;
}

static struct ib_umem_peer *query_trial(struct query *query, int flags)
{
	BUILD_BUG_ON(PEER_MEM_NAME_MAX != IB_PEER_MEMORY_NAME_MAX);
	return ib_umem_peer_begin_trial(query->ibdev, query->whose.mm,
					query->user->addr, query->user->length,
					query->user->access | flags,
					query->answered);
}

/* ---- pinned ---- */

/* What is to be known of the range as a whole. */
struct whole {
	unsigned int kinds;
	unsigned int devices;
	bool denied;
};

/* As the kernel's own pinning sees a mapping. */
static bool query_denied(const struct query *query, unsigned long flags)
{
	return !(flags & (query->write ? VM_WRITE : VM_READ));
}

static int query_look_all(const struct query *query, struct whole *whole)
{
	unsigned long addr = query->first;
	struct piece piece;
	int ret;

	while (addr != query->end) {
		ret = query_look(query, addr, &piece);
		if (ret)
			return ret;
		whole->kinds |= piece.kind;
		whole->devices += piece.kind == PEER_MEM_HAS_DEVICE;
		if (piece.kind != PEER_MEM_HAS_HOLE)
			whole->denied |= query_denied(query, piece.flags);
		addr = piece.end;
	}
	query->user->kinds = whole->kinds;
	return 0;
}

/* Why nobody has the whole of it. */
static enum peer_mem_reason query_why_nobody(const struct whole *whole)
{
	if (whole->kinds & PEER_MEM_HAS_HOLE)
		return PEER_MEM_NOT_MAPPED;
	if (whole->kinds != PEER_MEM_HAS_DEVICE && whole->denied)
		return PEER_MEM_NOT_PERMITTED;
	if (whole->kinds != PEER_MEM_HAS_DEVICE || whole->devices > 1)
		return PEER_MEM_SEVERAL;
	return PEER_MEM_NOBODY;
}

static enum peer_mem_reason query_why_refused(int error, bool denied)
{
	if (error == -EREMOTEIO)
		return PEER_MEM_NO_PATH;
	if (error != -EACCES)
		return PEER_MEM_FAILED;
	return denied ? PEER_MEM_NOT_PERMITTED : PEER_MEM_REFUSED;
}

static enum peer_mem_reason query_why_not_pinned(const struct query *query)
{
	return query->flavour == IB_PEER_STUBBORN ? PEER_MEM_NO_REVOKE :
						    PEER_MEM_NO_PIN;
}

/* What ib_umem_get() asks before it looks at the memory, in its order. */
static int query_limits(const struct query *query,
			struct peer_mem_verdict *out)
{
	unsigned long pages = (query->end - query->first) >> PAGE_SHIFT;
	unsigned long limit = task_rlimit(query->whose.task, RLIMIT_MEMLOCK);
	bool may = has_capability_noaudit(query->whose.task, CAP_IPC_LOCK);
	u64 pinned = atomic64_read(&query->whose.mm->pinned_vm);

	if (!limit && !may)
		return verdict(out, -EPERM, PEER_MEM_LIMIT);
	if (pages > UINT_MAX)
		return verdict(out, -EINVAL, PEER_MEM_LIMIT);
	if (pinned + pages > limit >> PAGE_SHIFT && !may)
		return verdict(out, -ENOMEM, PEER_MEM_LIMIT);
	return 1;
}

static int query_pinned_peer(struct query *query, const struct whole *whole,
			     struct peer_mem_verdict *out)
{
	struct ib_umem_peer *trial;
	int ret;

	if (!query->peer)
		return verdict(out, -EFAULT,
			       whole->kinds == PEER_MEM_HAS_DEVICE ?
			       PEER_MEM_NO_PEER : query_why_nobody(whole));
	trial = query_trial(query, 0);
	if (!trial)
		return -ENOMEM;
	ret = query_claim(query, trial, query->first, query->end);
	ib_umem_peer_end_trial(trial);
	switch (ret) {
	case 0:
		return verdict(out, 0, PEER_MEM_OK);
	case -EOPNOTSUPP:
		return verdict(out, ret, query_why_not_pinned(query));
	case -EFAULT:
		return verdict(out, ret, query_why_nobody(whole));
	default:
		return verdict(out, ret,
			       query_why_refused(ret, whole->denied));
	}
}

static int query_pinned(struct query *query, struct peer_mem_verdict *out)
{
	int access = query->user->access;
	struct whole whole = {};
	int ret;

	ret = query_look_all(query, &whole);
	if (ret)
		return ret;
	ret = ib_check_mr_access(query->ibdev, access);
	/* Neither device memory nor ordinary pages outlive the power. */
	if (!ret && access & IB_ACCESS_FLUSH_PERSISTENT)
		ret = -EINVAL;
	if (ret)
		return verdict(out, ret, PEER_MEM_BAD_ACCESS);
	ret = query_limits(query, out);
	if (ret <= 0)
		return ret;
	if (whole.kinds == PEER_MEM_HAS_HOST && !whole.denied)
		return verdict(out, 0, PEER_MEM_OK);
	return query_pinned_peer(query, &whole, out);
}

/* ---- on demand ---- */

/* A device's mapping, or what the CPU has nothing in. */
static enum peer_mem_reason query_access_peer(struct query *query,
					      struct ib_umem_peer *trial,
					      unsigned long addr,
					      const struct piece *piece)
{
	bool device = piece->kind == PEER_MEM_HAS_DEVICE;
	int ret;

	if (!query->peer)
		return device ? PEER_MEM_NO_PEER : PEER_MEM_NOT_MAPPED;
	ret = query_claim(query, trial, addr, piece->end);
	if (!ret)
		return PEER_MEM_OK;
	if (ret == -EFAULT)
		return device ? PEER_MEM_NOBODY : PEER_MEM_NOT_MAPPED;
	return query_why_refused(ret, false);
}

static enum peer_mem_reason query_access(struct query *query,
					 struct ib_umem_peer *trial,
					 unsigned long addr,
					 const struct piece *piece)
{
	if (addr >= TASK_SIZE_MAX)
		return PEER_MEM_NOT_MAPPED;
	if (piece->kind == PEER_MEM_HAS_HOLE)
		return query_access_peer(query, trial, addr, piece);
	if (!(piece->flags & VM_READ) ||
	    (query->write && !(piece->flags & VM_WRITE)))
		return PEER_MEM_NOT_PERMITTED;
	if (piece->kind == PEER_MEM_HAS_HOST)
		return PEER_MEM_OK;
	return query_access_peer(query, trial, addr, piece);
}

/* *@addr: so far all is well; *@reason: why not further. Return: 0 or -EINTR. */
static int query_accesses(struct query *query, struct ib_umem_peer *trial,
			  unsigned long *addr, enum peer_mem_reason *reason)
{
	struct piece piece;
	int ret;

	*reason = PEER_MEM_OK;
	for (*addr = query->first; *addr != query->end; *addr = piece.end) {
		ret = query_look(query, *addr, &piece);
		if (ret)
			return ret;
		if (piece.kind != PEER_MEM_HAS_HOST && !query->claims--)
			break;
		*reason = query_access(query, trial, *addr, &piece);
		if (*reason != PEER_MEM_OK)
			break;
	}
	return 0;
}

static int query_on_demand(struct query *query, struct peer_mem_verdict *out)
{
	int access = query->user->access | IB_ACCESS_ON_DEMAND;
	struct peer_mem_query *user = query->user;
	enum peer_mem_reason reason;
	struct ib_umem_peer *trial;
	unsigned long addr;
	int ret;

	if (!(query->ibdev->attrs.kernel_cap_flags & IBK_ON_DEMAND_PAGING))
		return verdict(out, -EOPNOTSUPP, PEER_MEM_NO_ON_DEMAND);
	ret = ib_check_mr_access(query->ibdev, access);
	if (!ret && access & IB_ACCESS_FLUSH_PERSISTENT)
		ret = -EINVAL;
	if (ret)
		return verdict(out, ret, PEER_MEM_BAD_ACCESS);
	trial = query_trial(query, IB_ACCESS_ON_DEMAND);
	if (!trial)
		return -ENOMEM;
	ret = query_accesses(query, trial, &addr, &reason);
	ib_umem_peer_end_trial(trial);
	if (ret)
		return ret;
	if (addr > user->addr)
		user->checked = min_t(u64, addr - user->addr, user->length);
	return verdict(out, 0, reason);
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
	if (memchr_inv(user->client, 0, offsetof(struct peer_mem_query, pid) -
		       offsetof(struct peer_mem_query, client)))
		return -EINVAL;
	return user->reserved ? -EINVAL : 0;
}

static struct ib_device *query_device(const char *name)
{
	struct ib_device *ibdev;

	ibdev = ib_device_get_by_name(name, RDMA_DRIVER_UNKNOWN);
	if (!ibdev)
		return NULL;
	if (rdma_dev_access_netns(ibdev, current->nsproxy->net_ns))
		return ibdev;
	ib_device_put(ibdev);
	return NULL;
}

static int query_answer(struct query *query)
{
	struct peer_mem_query *user = query->user;
	int ret;

	user->access &= ~(IB_ACCESS_OPTIONAL | IB_ACCESS_ON_DEMAND);
	query->first = user->addr & PAGE_MASK;
	query->end = PAGE_ALIGN(user->addr + user->length);
	query->write = ib_access_writable(user->access);
	query->peer = ib_peer_is_importer(query->ibdev) ||
		      ib_peer_hook_serves(query->ibdev, &query->flavour);
	user->page_size = PAGE_SIZE;

	ret = query_pinned(query, &user->pinned);
	if (!ret)
		ret = query_on_demand(query, &user->on_demand);
	return ret;
}

/* Return: 0, or an error as in uapi/rdma/peer_mem.h. */
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
	ret = ib_peer_whose_get(&query.whose, user->pid);
	if (ret)
		return ret;
	query.ibdev = query_device(user->device);
	if (!query.ibdev)
		ret = -ENODEV;
	else
		ret = query_answer(&query);
	if (query.ibdev)
		ib_device_put(query.ibdev);
	ib_peer_whose_put(&query.whose);
	return ret;
}
