// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See side.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "node.h"
#include "ranges.h"
#include "side.h"

int side_open(struct side *side, int access)
{
	int ret = ranges_prepare();

	if (ret)
		return ret;
	side->fd = node_open();
	if (side->fd < 0)
		return -errno;
	ret = vt_dev_open(&side->dev);
	if (!ret)
		ret = vt_pair_open(&side->pair, &side->dev, NULL);
	if (ret)
		return ret;
	side->buffer = calloc(1, RANGE_SIZE);
	if (!side->buffer)
		return -ENOMEM;
	side->mr = ibv_reg_mr(side->dev.pd, side->buffer, RANGE_SIZE, access);
	return side->mr ? 0 : -errno;
}

int side_close(struct side *side)
{
	int ret = ibv_dereg_mr(side->mr);

	free(side->buffer);
	vt_pair_close(&side->pair);
	vt_dev_close(&side->dev);
	close(side->fd);
	return ret;
}
