/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What a DMA importer does when the memory moves.
 */
#ifndef IB_PEER_IMPORTER_TYPE_H
#define IB_PEER_IMPORTER_TYPE_H

enum ib_peer_importer_type {
	IB_PEER_UNKNOWN,	/* nothing registered yet */
	IB_PEER_DYNAMIC,	/* stops, and maps again at the next access */
	IB_PEER_REVOCABLE,	/* pins, and stops for ever when revoked */
	IB_PEER_NON_REVOCABLE,	/* pins, and cannot stop */
};

#endif
