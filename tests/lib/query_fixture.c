// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See query_fixture.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "chardev.h"
#include "query_fixture.h"
#include "ranges.h"

int query_fixture_open(struct query_fixture *fixture, int access)
{
	int ret = ranges_prepare();

	if (ret)
		return ret;
	fixture->fd = chardev_open();
	if (fixture->fd < 0)
		return -errno;
	ret = vt_dev_open(&fixture->dev);
	if (!ret)
		ret = vt_pair_open(&fixture->pair, &fixture->dev, NULL);
	if (ret)
		return ret;
	fixture->buffer = calloc(1, RANGE_SIZE);
	if (!fixture->buffer)
		return -ENOMEM;
	fixture->mr = ibv_reg_mr(fixture->dev.pd, fixture->buffer, RANGE_SIZE,
				 access);
	return fixture->mr ? 0 : -errno;
}

int query_fixture_close(struct query_fixture *fixture)
{
	int ret = ibv_dereg_mr(fixture->mr);

	free(fixture->buffer);
	vt_pair_close(&fixture->pair);
	vt_dev_close(&fixture->dev);
	close(fixture->fd);
	return ret;
}
