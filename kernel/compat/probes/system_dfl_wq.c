// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The workqueue for work that needs no particular processor is system_dfl_wq. Before: it
 * is system_unbound_wq, and using that warns where both exist.
 */
#include <linux/workqueue.h>

static struct workqueue_struct **probe __used = &system_dfl_wq;
