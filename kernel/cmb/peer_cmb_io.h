/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_IO_H
#define PEER_CMB_IO_H

#include <linux/types.h>
#include <rdma/ib_peer_bar.h>

struct peer_cmb_io;

/*
 * Does the transfer. @priv: private data of the bar. @bar_offset: place of the
 * memory, in bytes from the start of the bar. Return: 0 or -errno.
 */
typedef int (*peer_cmb_io_fn)(void *priv, const struct peer_cmb_io *io,
			      u64 bar_offset);

/*
 * PEER_CMB_IOC_IO: checks the struct and the permissions, holds the memory and the
 * device, and calls @do_io.
 */
int peer_cmb_ioc_io(struct ib_peer_bar *bar, void __user *user,
		    peer_cmb_io_fn do_io);

/* Return: 0, or -ERANGE if the range ends beyond a disk of @disk_length bytes. */
int peer_cmb_check_range(const struct peer_cmb_io *io, u64 disk_length);

/**
 * struct peer_cmb_chunk - the part of a transfer that one request does
 * @bar_offset:  place of the memory, in bytes from the start of the bar
 * @disk_offset: bytes
 * @length:      bytes
 * @write:       to the disk
 */
struct peer_cmb_chunk {
	u64 bar_offset;
	u64 disk_offset;
	u32 length;
	bool write;
};

typedef int (*peer_cmb_chunk_fn)(void *arg, const struct peer_cmb_chunk *chunk);

/*
 * Calls @fn for consecutive chunks of @io, each of @max_length bytes or less.
 * Return: 0, -errno of @fn, or -EINTR after a fatal signal.
 */
int peer_cmb_split_io(const struct peer_cmb_io *io, u64 bar_offset,
		      u32 max_length, peer_cmb_chunk_fn fn, void *arg);

#endif
