// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Transfers between the memory of a p2pmem pool and a disk, by the block layer.
 *
 * The memory has struct pages. The block layer accepts them for direct I/O if the
 * driver of the disk supports it. The user passes the disk as a file descriptor.
 * The data pointers of the commands are PCI bus addresses of the controller's own
 * buffer. For a disk of another controller, the kernel checks whether that one can
 * reach the buffer.
 *
 * Removal of the pool waits for transfers in progress. The nvme driver is bound
 * until then and limits their time.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sizes.h>
#include <linux/uio.h>
#include <rdma/peer_cmb.h>

#include "peer_cmb_io.h"
#include "peer_cmb_pool.h"
#include "peer_cmb_pool_io.h"

/* Bytes of a request. A fatal signal ends the transfer after each request. */
#define PEER_CMB_POOL_CHUNK SZ_16M

/* Needs O_DIRECT: the page cache would hold a copy in system memory. */
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
	return peer_cmb_check_range(io, bdev_nr_bytes(bdev));
}

struct peer_cmb_pool_io {
	struct peer_cmb_pool *pool;
	struct file *disk;
};

static int peer_cmb_pool_rw(void *arg, const struct peer_cmb_chunk *chunk)
{
	struct peer_cmb_pool_io *io = arg;
	void *memory = peer_cmb_pool_addr(io->pool, chunk->bar_offset);
	loff_t offset = chunk->disk_offset;
	struct iov_iter iter;
	struct bio_vec bvec;
	ssize_t done;

	bvec_set_page(&bvec, virt_to_page(memory), chunk->length,
		      offset_in_page(memory));
	iov_iter_bvec(&iter, chunk->write ? ITER_SOURCE : ITER_DEST, &bvec, 1,
		      chunk->length);
	if (chunk->write)
		done = vfs_iter_write(io->disk, &iter, &offset, RWF_DSYNC);
	else
		done = vfs_iter_read(io->disk, &iter, &offset, 0);
	if (done < 0)
		return done;
	return done == chunk->length ? 0 : -EIO;
}

static int peer_cmb_pool_do_io(void *priv, const struct peer_cmb_io *io,
			       u64 bar_offset)
{
	struct peer_cmb_pool_io pool_io = { priv, fget(io->disk) };
	int ret;

	if (!pool_io.disk)
		return -EBADF;
	ret = peer_cmb_check_disk(pool_io.disk, io);
	if (!ret)
		ret = peer_cmb_split_io(io, bar_offset, PEER_CMB_POOL_CHUNK,
					peer_cmb_pool_rw, &pool_io);
	fput(pool_io.disk);
	return ret;
}

long peer_cmb_pool_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg)
{
	if (nr != PEER_CMB_IOC_IO)
		return -ENOTTY;
	return peer_cmb_ioc_io(bar, arg, peer_cmb_pool_do_io);
}
