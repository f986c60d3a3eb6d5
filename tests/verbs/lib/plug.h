/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Hotplug of devices through QEMU's monitor, which the virtual machine reaches by
 * the virtio-serial port "peermem.monitor".
 */
#ifndef VT_PLUG_H
#define VT_PLUG_H

/*
 * Unplugs a device, by its id on QEMU's command line, and waits until the kernel has
 * released it. Return: 0 or -errno; -ETIMEDOUT: the kernel did not release it.
 */
int vt_unplug(const char *id, int timeout_ms);

/*
 * Plugs a device. @device: members of a JSON object, the arguments of QMP's
 * device_add. The kernel detects the device some seconds later. Return: 0 or -errno;
 * -EINVAL: QEMU reports an error.
 */
int vt_plug(const char *device);

#endif
