// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel's nvme driver moves bytes between a pool's memory and its disk.
 *
 * That memory has struct pages, which the block layer takes for direct I/O where a
 * disk's driver can: so the caller names the disk by a descriptor. The commands'
 * data pointers are then bus addresses of the controller's own buffer. Of another
 * controller's disk the kernel finds out itself whether it reaches the buffer.
 *
 * Removal of the pool waits for what is under way here: the driver, which is
 * bound until then, bounds that.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uio.h>
#include <rdma/peer_cmb.h>

#include "peer_cmb_priv.h"

/* So that it can be ended by a signal. */
#define PEER_CMB_STEP SZ_16M

/* A copy through the page cache would be one in the system's memory. */
static int peer_cmb_check_disk(struct file *disk, const struct peer_cmb_io *io)
{
	struct block_device *bdev;
	u64 end;

	if (!S_ISBLK(file_inode(disk)->i_mode))
		return -ENOTBLK;
	if (!(disk->f_flags & O_DIRECT))
		return -EINVAL;
	bdev = file_bdev(disk);
	if (!blk_queue_pci_p2pdma(bdev_get_queue(bdev)))
		return -EOPNOTSUPP;
	if (check_add_overflow(io->offset, io->length, &end) ||
	    end > bdev_nr_bytes(bdev))
		return -ERANGE;
	return 0;
}

static int peer_cmb_disk_io(struct file *disk, bool write, void *memory,
			    u32 length, loff_t offset)
{
	struct iov_iter iter;
	struct bio_vec bvec;
	ssize_t done;

	bvec_set_page(&bvec, virt_to_page(memory), length,
		      offset_in_page(memory));
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, &bvec, 1, length);
	if (write)
		done = vfs_iter_write(disk, &iter, &offset, RWF_DSYNC);
	else
		done = vfs_iter_read(disk, &iter, &offset, 0);
	if (done < 0)
		return done;
	return done == length ? 0 : -EIO;
}

static int peer_cmb_pool_do_io(void *priv, const struct peer_cmb_io *io, u64 place)
{
	void *memory = peer_cmb_pool_addr(priv, place);
	struct file *disk = fget(io->disk);
	u64 done;
	u32 step;
	int ret;

	if (!disk)
		return -EBADF;
	ret = peer_cmb_check_disk(disk, io);
	for (done = 0; !ret && done < io->length; done += step) {
		step = min_t(u64, io->length - done, PEER_CMB_STEP);
		ret = peer_cmb_disk_io(disk, io->flags & PEER_CMB_IO_WRITE,
				       memory + done, step, io->offset + done);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
	}
	fput(disk);
	return ret;
}

long peer_cmb_pool_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg)
{
	if (nr != PEER_CMB_IOC_IO)
		return -ENOTTY;
	return peer_cmb_ioc_io(bar, arg, peer_cmb_pool_do_io);
}
