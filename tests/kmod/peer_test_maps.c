// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: a PCI driver that maps memory of its device to programs, by page
 * faults, and moves the memory, as GPU drivers do. It knows nothing of RDMA. It
 * drives the device whose driver_override names it. It has one device file,
 * /dev/peer_test_maps: read(), write() and mmap() of the memory, an ioctl that
 * moves it, and an ioctl that counts the pages made writable.
 *
 * When the driver is unbound it leaves existing mappings in place, like a
 * faulty driver.
 */
#include <compat/mm.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "peer_test_maps.h"

#define LENGTH PEER_TEST_MAPS_LENGTH
#define BAR 2

/* Guards all variables below. */
static DEFINE_MUTEX(maps_lock);
static struct address_space *maps_mapping;
static phys_addr_t maps_start;
static void __iomem *maps_bar;	/* NULL: no device */
static void *maps_system;
static enum peer_test_place maps_place;
static unsigned int maps_written;

/* Return: the offset in the BAR of a page at its present location. */
static unsigned long maps_bar_offset(unsigned long offset)
{
	if (maps_place == PEER_TEST_BAR ||
	    (maps_place == PEER_TEST_ONE_AWAY && offset))
		return offset;
	return 2 * LENGTH - PAGE_SIZE - offset;
}

static unsigned long maps_pfn(unsigned long offset)
{
	if (maps_place == PEER_TEST_SYSTEM)
		return vmalloc_to_pfn(maps_system + offset);
	return PHYS_PFN(maps_start + maps_bar_offset(offset));
}

static struct iosys_map maps_page(unsigned long offset)
{
	if (maps_place == PEER_TEST_SYSTEM)
		return (struct iosys_map)
			IOSYS_MAP_INIT_VADDR(maps_system + offset);
	return (struct iosys_map)
		IOSYS_MAP_INIT_VADDR_IOMEM(maps_bar + maps_bar_offset(offset));
}

/* ---- mappings ---- */

static vm_fault_t maps_fault(struct vm_fault *vmf)
{
	unsigned long offset = vmf->pgoff << PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mutex_lock(&maps_lock);
	if (maps_bar && offset < LENGTH)
		ret = vmf_insert_pfn(vmf->vma, vmf->address, maps_pfn(offset));
	mutex_unlock(&maps_lock);
	return ret;
}

/* Counts the first write to a page. */
static vm_fault_t maps_mkwrite(struct vm_fault *vmf)
{
	mutex_lock(&maps_lock);
	WRITE_ONCE(maps_written, maps_written + 1);
	mutex_unlock(&maps_lock);
	return 0;
}

static const struct vm_operations_struct maps_vm_ops = {
	.fault = maps_fault,
	.pfn_mkwrite = maps_mkwrite,
};

static int maps_mmap(struct file *file, struct vm_area_struct *vma)
{
	/*
	 * No private mappings: vmf_insert_pfn() does not support copy on write.
	 */
	if (peer_vma_is_cow(vma))
		return -EINVAL;
	vma->vm_ops = &maps_vm_ops;
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static void maps_copy_in(void *buffer, unsigned long offset)
{
	struct iosys_map page = maps_page(offset);

	iosys_map_memcpy_to(&page, 0, buffer, PAGE_SIZE);
}

static void maps_copy_out(void *buffer, unsigned long offset)
{
	struct iosys_map page = maps_page(offset);

	iosys_map_memcpy_from(buffer, &page, 0, PAGE_SIZE);
}

static void maps_move(void *buffer, enum peer_test_place place)
{
	bool one = maps_place == PEER_TEST_BAR && place == PEER_TEST_ONE_AWAY;
	unsigned long offset;

	unmap_mapping_range(maps_mapping, 0, one ? PAGE_SIZE : 0, 1);
	for (offset = 0; offset < LENGTH; offset += PAGE_SIZE)
		maps_copy_out(buffer + offset, offset);
	/* Poisons the old location. */
	for (offset = 0; offset < LENGTH; offset += PAGE_SIZE) {
		struct iosys_map page = maps_page(offset);

		iosys_map_memset(&page, 0, 0xd5, PAGE_SIZE);
	}
	maps_place = place;
	WRITE_ONCE(maps_written, 0);
	for (offset = 0; offset < LENGTH; offset += PAGE_SIZE)
		maps_copy_in(buffer + offset, offset);
}

static int maps_move_to(unsigned long place)
{
	void *buffer;
	int ret = 0;

	if (place >= PEER_TEST_NUM_PLACES)
		return -EINVAL;
	buffer = vmalloc(LENGTH);
	if (!buffer)
		return -ENOMEM;
	mutex_lock(&maps_lock);
	if (maps_bar)
		maps_move(buffer, place);
	else
		ret = -ENODEV;
	mutex_unlock(&maps_lock);
	vfree(buffer);
	return ret;
}

static long maps_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	switch (nr) {
	case PEER_TEST_IOC_MOVE:
		return maps_move_to(arg);
	case PEER_TEST_IOC_WRITTEN:
		return READ_ONCE(maps_written);
	default:
		return -ENOTTY;
	}
}

/* ---- read() and write() ---- */

/* Transfers up to the end of one page. */
static ssize_t maps_rw(char __user *user, size_t length, loff_t *pos, bool write)
{
	unsigned int in_page = offset_in_page(*pos);
	struct iosys_map page;
	ssize_t ret;
	u8 *buffer;

	if (*pos >= LENGTH)
		return 0;
	length = min_t(size_t, length, PAGE_SIZE - in_page);
	buffer = kmalloc(length, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	ret = write && copy_from_user(buffer, user, length) ? -EFAULT : 0;
	mutex_lock(&maps_lock);
	if (!ret && !maps_bar)
		ret = -ENODEV;
	if (!ret) {
		page = maps_page(*pos - in_page);
		if (write)
			iosys_map_memcpy_to(&page, in_page, buffer, length);
		else
			iosys_map_memcpy_from(buffer, &page, in_page, length);
	}
	mutex_unlock(&maps_lock);
	if (!ret && !write && copy_to_user(user, buffer, length))
		ret = -EFAULT;
	kfree(buffer);
	if (ret)
		return ret;
	*pos += length;
	return length;
}

static ssize_t maps_read(struct file *file, char __user *user, size_t length,
			 loff_t *pos)
{
	return maps_rw(user, length, pos, false);
}

static ssize_t maps_write(struct file *file, const char __user *user,
			  size_t length, loff_t *pos)
{
	return maps_rw((char __user *)user, length, pos, true);
}

static int maps_open(struct inode *inode, struct file *file)
{
	mutex_lock(&maps_lock);
	maps_mapping = inode->i_mapping;
	mutex_unlock(&maps_lock);
	return 0;
}

static const struct file_operations maps_fops = {
	.owner = THIS_MODULE,
	.open = maps_open,
	.read = maps_read,
	.write = maps_write,
	.mmap = maps_mmap,
	.unlocked_ioctl = maps_ioctl,
};

static struct miscdevice maps_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_test_maps",
	.fops = &maps_fops,
};

/* ---- the device ---- */

static int maps_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *bar;
	int ret;

	if (pci_resource_len(pdev, BAR) < 2 * LENGTH)
		return -ENODEV;
	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	bar = ioremap_wc(pci_resource_start(pdev, BAR), 2 * LENGTH);
	if (!bar) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	mutex_lock(&maps_lock);
	maps_bar = bar;
	maps_start = pci_resource_start(pdev, BAR);
	maps_place = PEER_TEST_BAR;
	mutex_unlock(&maps_lock);
	return 0;
}

static void maps_remove(struct pci_dev *pdev)
{
	mutex_lock(&maps_lock);
	iounmap(maps_bar);
	maps_bar = NULL;
	mutex_unlock(&maps_lock);
	pci_disable_device(pdev);
}

static struct pci_driver maps_driver = {
	.name = "peer_test_maps",
	.probe = maps_probe,
	.remove = maps_remove,
};

static int __init maps_init(void)
{
	int ret;

	maps_system = vzalloc(LENGTH);
	if (!maps_system)
		return -ENOMEM;
	ret = pci_register_driver(&maps_driver);
	if (ret)
		goto err_free;
	ret = misc_register(&maps_device);
	if (ret)
		goto err_driver;
	return 0;

err_driver:
	pci_unregister_driver(&maps_driver);
err_free:
	vfree(maps_system);
	return ret;
}

static void __exit maps_exit(void)
{
	misc_deregister(&maps_device);
	pci_unregister_driver(&maps_driver);
	vfree(maps_system);
}

module_init(maps_init);
module_exit(maps_exit);

MODULE_DESCRIPTION("A driver that maps memory, for tests of peer_maps");
MODULE_LICENSE("Dual BSD/GPL");
