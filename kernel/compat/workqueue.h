/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Workqueues of the kernel.
 */
#ifndef PEER_COMPAT_WORKQUEUE_H
#define PEER_COMPAT_WORKQUEUE_H

#include <compat/probed.h>
#include <linux/workqueue.h>

#ifndef PEER_HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq system_unbound_wq
#endif

#endif
