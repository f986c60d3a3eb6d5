/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEERMEM_STATUS_H
#define PEERMEM_STATUS_H

/* Clients and their counters, to stdout. Return: exit status. */
int status_show(int json);

#endif
