// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_CMB_IOC_IO as far as it is the same for all disks: the struct, the rights,
 * and the memory, which stays this program's until all is done.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <rdma/peer_cmb.h>

#include "../args.h"
#include "peer_cmb_priv.h"

int peer_cmb_check_end(const struct peer_cmb_io *io, u64 disk_length)
{
	u64 end;

	if (check_add_overflow(io->offset, io->length, &end) ||
	    end > disk_length)
		return -ERANGE;
	return 0;
}

int peer_cmb_each_part(const struct peer_cmb_io *io, u64 place, u32 most,
		       peer_cmb_part_fn fn, void *arg)
{
	struct peer_cmb_part part = {
		.write = io->flags & PEER_CMB_IO_WRITE,
	};
	u64 done;
	int ret;

	for (done = 0; done < io->length; done += part.length) {
		part.place = place + done;
		part.offset = io->offset + done;
		part.length = min_t(u64, io->length - done, most);
		ret = fn(arg, &part);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* With memory of the bar at hand, and the controller there until it is done. */
static int peer_cmb_enter_io(struct ib_peer_bar *bar,
			     const struct peer_cmb_io *io, u64 place,
			     peer_cmb_io_fn do_io)
{
	void *priv = ib_peer_bar_enter(bar);
	int ret;

	if (IS_ERR(priv))
		return PTR_ERR(priv);
	ret = do_io(priv, io, place);
	ib_peer_bar_exit(bar);
	return ret;
}

int peer_cmb_ioc_io(struct ib_peer_bar *bar, void __user *user,
		    peer_cmb_io_fn do_io)
{
	struct ib_peer_bar_memory *memory;
	struct peer_cmb_io io;
	u64 place;
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
					!(io.flags & PEER_CMB_IO_WRITE), &place);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	ret = peer_cmb_enter_io(bar, &io, place, do_io);
	ib_peer_bar_memory_put(memory);
	return ret;
}
