/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_BUS_NOTIFIER_H
#define MAPS_BUS_NOTIFIER_H

int maps_bus_notifier_init(void);
void maps_bus_notifier_exit(void);

#endif
