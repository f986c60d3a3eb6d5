/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_DEVICE_H
#define MAPS_DEVICE_H

#include <linux/types.h>

struct maps_run;
struct pci_dev;

/*
 * Return: the device that has the memory, with a reference for pci_dev_put(). NULL:
 * none, so the end of the memory cannot be detected.
 */
struct pci_dev *maps_device_find(const struct maps_run *run);

/* Does one BAR of the device contain the whole run? */
bool maps_device_has(struct pci_dev *device, const struct maps_run *run);

/*
 * May accesses to the run, which the device has, have side effects? A mapping does not tell,
 * but a BAR that is not prefetchable may consist of registers.
 */
bool maps_device_has_registers(struct pci_dev *device, const struct maps_run *run);

bool maps_device_has_driver(struct pci_dev *device, const char *driver);

#endif
