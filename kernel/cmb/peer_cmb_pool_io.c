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

	if (!S_ISBLK(file_inode(disk)->i_mode))
		return -ENOTBLK;
	if (!(disk->f_flags & O_DIRECT))
		return -EINVAL;
	bdev = file_bdev(disk);
	if (!blk_queue_pci_p2pdma(bdev_get_queue(bdev)))
		return -EOPNOTSUPP;
	return peer_cmb_check_end(io, bdev_nr_bytes(bdev));
}

struct peer_cmb_pool_io {
	void *priv;	/* of the bar */
	struct file *disk;
};

static int peer_cmb_pool_move(void *arg, const struct peer_cmb_part *part)
{
	struct peer_cmb_pool_io *io = arg;
	void *memory = peer_cmb_pool_addr(io->priv, part->place);
	loff_t offset = part->offset;
	struct iov_iter iter;
	struct bio_vec bvec;
	ssize_t done;

	bvec_set_page(&bvec, virt_to_page(memory), part->length,
		      offset_in_page(memory));
	iov_iter_bvec(&iter, part->write ? ITER_SOURCE : ITER_DEST, &bvec, 1,
		      part->length);
	if (part->write)
		done = vfs_iter_write(io->disk, &iter, &offset, RWF_DSYNC);
	else
		done = vfs_iter_read(io->disk, &iter, &offset, 0);
	if (done < 0)
		return done;
	return done == part->length ? 0 : -EIO;
}

static int peer_cmb_pool_do_io(void *priv, const struct peer_cmb_io *io, u64 place)
{
	struct peer_cmb_pool_io pool = { priv, fget(io->disk) };
	int ret;

	if (!pool.disk)
		return -EBADF;
	ret = peer_cmb_check_disk(pool.disk, io);
	if (!ret)
		ret = peer_cmb_each_part(io, place, PEER_CMB_STEP,
					 peer_cmb_pool_move, &pool);
	fput(pool.disk);
	return ret;
}

long peer_cmb_pool_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg)
{
	if (nr != PEER_CMB_IOC_IO)
		return -ENOTTY;
	return peer_cmb_ioc_io(bar, arg, peer_cmb_pool_do_io);
}
