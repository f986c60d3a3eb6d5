// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_CMB_IOC_IO, the part that is common to all disks: the checks of the struct
 * and of the permissions.
 *
 * The call holds a reference to the memory, so the memory is not allocated to
 * another user before the transfer has ended.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <rdma/peer_cmb.h>

#include "../args.h"
#include "peer_cmb_io.h"

int peer_cmb_check_range(const struct peer_cmb_io *io, u64 disk_length)
{
	u64 end;

	if (check_add_overflow(io->offset, io->length, &end) ||
	    end > disk_length)
		return -ERANGE;
	return 0;
}

int peer_cmb_split_io(const struct peer_cmb_io *io, u64 bar_offset,
		      u32 max_length, peer_cmb_chunk_fn fn, void *arg)
{
	struct peer_cmb_chunk chunk = {
		.write = io->flags & PEER_CMB_IO_WRITE,
	};
	u64 done;
	int ret;

	for (done = 0; done < io->length; done += chunk.length) {
		chunk.bar_offset = bar_offset + done;
		chunk.disk_offset = io->offset + done;
		chunk.length = min_t(u64, io->length - done, max_length);
		ret = fn(arg, &chunk);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* Keeps the controller until @do_io returns. */
static int peer_cmb_enter_io(struct ib_peer_bar *bar,
			     const struct peer_cmb_io *io, u64 bar_offset,
			     peer_cmb_io_fn do_io)
{
	void *priv = ib_peer_bar_enter(bar);
	int ret;

	if (IS_ERR(priv))
		return PTR_ERR(priv);
	ret = do_io(priv, io, bar_offset);
	ib_peer_bar_exit(bar);
	return ret;
}

int peer_cmb_ioc_io(struct ib_peer_bar *bar, void __user *user,
		    peer_cmb_io_fn do_io)
{
	struct ib_peer_bar_memory *memory;
	struct peer_cmb_io io;
	u64 bar_offset;
	u32 size;
	int ret;

	ret = peer_args_get(&io, sizeof(io),
			    offsetofend(struct peer_cmb_io, reserved), user,
			    &size);
	if (ret)
		return ret;
	if (io.flags & ~PEER_CMB_IO_WRITE || io.reserved || !io.length)
		return -EINVAL;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;

	memory = ib_peer_bar_memory_get(bar, io.addr, io.length,
					!(io.flags & PEER_CMB_IO_WRITE),
					&bar_offset);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	ret = peer_cmb_enter_io(bar, &io, bar_offset, do_io);
	ib_peer_bar_memory_put(memory);
	return ret;
}
