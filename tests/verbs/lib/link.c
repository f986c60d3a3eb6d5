// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See link.h. */
#include "link.h"

int vt_link_open(struct vt_link *link, const struct vt_mem_kind *there,
		 size_t length, int access, const struct vt_pair_opts *opts)
{
	struct vt_buf_opts mr = { .access = access };
	int ret = vt_mem_prepare(there);

	if (!ret)
		ret = vt_dev_open(&link->dev);
	if (!ret)
		ret = vt_pair_open(&link->pair, &link->dev, opts);
	if (!ret)
		ret = vt_buf_open(&link->here, &link->dev, &vt_mem_host, length,
				  NULL);
	if (!ret)
		ret = vt_buf_open(&link->there, &link->dev, there, length, &mr);
	if (ret)
		return ret;
	vt_buf_fill(&link->here, 1);
	vt_buf_fill(&link->there, 2);
	return 0;
}

int vt_link_close(struct vt_link *link)
{
	int there = vt_buf_close(&link->there);
	int here = vt_buf_close(&link->here);

	vt_pair_close(&link->pair);
	vt_dev_close(&link->dev);
	return there ? there : here;
}
