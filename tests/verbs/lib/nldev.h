/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * RDMA's netlink (nldev), which the program "rdma" uses too: starting that program takes
 * longer under emulation than many a test.
 */
#ifndef VT_NLDEV_H
#define VT_NLDEV_H

#include <stdint.h>

/* Is called for a number that the kernel reports under a name. */
typedef void vt_nldev_report(const char *name, uint64_t number, void *arg);

/*
 * Reports the number of live objects of each type ("mr", "qp", "cq", "pd"...) of the device
 * named @device, or of each device if it is NULL. Return: 0, -ENODEV or -errno.
 */
int vt_nldev_resources(const char *device, vt_nldev_report *report, void *arg);

/*
 * Reports each counter ("page_faults"...) of each on-demand MR of the device named @device.
 * Return: 0, -ENODEV or -errno.
 */
int vt_nldev_mr_counters(const char *device, vt_nldev_report *report, void *arg);

#endif
