/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The pages of a range that a PeerDirect client has mapped.
 */
#ifndef IB_PEERDIRECT_PAGES_H
#define IB_PEERDIRECT_PAGES_H

struct ib_peer_fault;
struct pd_range;

/* Reads the client's list once: it may be gone later. */
int ib_peerdirect_pages_collect(struct pd_range *range);
/* Maps what was collected, for the CPU. On failure there is nothing to unmap. */
int ib_peerdirect_pages_map(struct pd_range *range);
void ib_peerdirect_pages_unmap(struct pd_range *range);
/* Reports blocks of the whole range in fault(). Return: as ib_peer_fault_add(). */
int ib_peerdirect_pages_report(struct pd_range *range,
			       struct ib_peer_fault *fault);

#endif
