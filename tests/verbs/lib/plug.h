/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Devices that come and go, as by a hand: through QEMU's monitor, which the
 * virtual machine has as a port (peermem.monitor).
 */
#ifndef VT_PLUG_H
#define VT_PLUG_H

/*
 * Takes a device out, by its id on QEMU's command line, and waits until the
 * kernel has let go of it. Return: 0 or -errno; -ETIMEDOUT: it has not.
 */
int vt_unplug(const char *id, int timeout_ms);

/*
 * Puts one in. @device: the members of a JSON object, as of QMP's device_add. The
 * kernel takes some seconds to find it. Return: 0 or -errno, -EINVAL QEMU refuses.
 */
int vt_plug(const char *device);

#endif
