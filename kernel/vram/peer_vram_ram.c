// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A device whose VRAM is system memory, for hosts without the PCI device: module
 * parameter ram_mb.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>

#include "peer_vram_device.h"
#include "peer_vram_memory.h"
#include "peer_vram_ram.h"

static unsigned long ram_mb;
module_param(ram_mb, ulong, 0444);
MODULE_PARM_DESC(ram_mb, "MiB of system memory that become a VRAM device (default: 0, none)");

static struct platform_device *peer_vram_ram_device;

static int peer_vram_ram_probe(struct platform_device *pdev)
{
	struct peer_vram_device *vram;
	int ret;

	vram = peer_vram_device_alloc(&pdev->dev);
	if (IS_ERR(vram))
		return PTR_ERR(vram);
	ret = peer_vram_memory_of_ram(vram, &pdev->dev, (u64)ram_mb * SZ_1M);
	if (ret) {
		dev_err(&pdev->dev,
			"ram_mb=%lu: not enough free memory; take less\n",
			ram_mb);
		return ret;
	}
	return peer_vram_device_add(vram);
}

static void peer_vram_ram_remove(struct platform_device *pdev)
{
	peer_vram_device_remove(platform_get_drvdata(pdev));
}

static struct platform_driver peer_vram_ram_driver = {
	.driver.name = "peer_vram_ram",
	.probe = peer_vram_ram_probe,
	.remove = peer_vram_ram_remove,
};

void peer_vram_ram_exit(void)
{
	if (!ram_mb)
		return;
	platform_device_unregister(peer_vram_ram_device);
	platform_driver_unregister(&peer_vram_ram_driver);
}

/* The device is there, but the driver may have failed: a module must say so. */
static int peer_vram_ram_check(void)
{
	if (device_is_bound(&peer_vram_ram_device->dev))
		return 0;
	peer_vram_ram_exit();
	return -ENOMEM;
}

/* Return: 0; -EINVAL more than the system has; -ENOMEM; another errno. */
int peer_vram_ram_init(void)
{
	int ret;

	if (!ram_mb)
		return 0;
	if (ram_mb > totalram_pages() >> (20 - PAGE_SHIFT)) {
		pr_err("peer_vram: ram_mb=%lu: this system has %lu MiB\n", ram_mb,
		       totalram_pages() >> (20 - PAGE_SHIFT));
		return -EINVAL;
	}
	ret = platform_driver_register(&peer_vram_ram_driver);
	if (ret)
		return ret;
	peer_vram_ram_device =
		platform_device_register_simple("peer_vram_ram",
						PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(peer_vram_ram_device)) {
		platform_driver_unregister(&peer_vram_ram_driver);
		return PTR_ERR(peer_vram_ram_device);
	}
	return peer_vram_ram_check();
}
