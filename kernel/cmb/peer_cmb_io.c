// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_CMB_IOC_IO as far as it is the same for all disks: the struct, the rights,
 * and the memory, which stays this program's until all is done.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <rdma/peer_cmb.h>

#include "../args.h"
#include "peer_cmb_priv.h"

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
