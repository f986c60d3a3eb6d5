// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Transfers between the buffer and the disk of a controller that is bound to this
 * driver.
 *
 * The data pointers (PRPs) of the commands are addresses of the controller's own
 * buffer. The controller recognizes them (CMBMSC.CBA, or its BAR) and does not use
 * the bus. So the data is only in the buffer, which RDMA devices read and write,
 * and on the disk. It is never in system memory, and no IOMMU is involved.
 *
 * The first call that needs the disk starts the controller. Its buffer can be used
 * without that.
 */
#include <linux/blk_types.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <rdma/peer_cmb.h>

#include "../args.h"
#include "peer_cmb_disk.h"
#include "peer_cmb_io.h"
#include "peer_cmb_nvme.h"

/* Bytes that a PRP list of one page describes. The first PRP of a command is extra. */
#define PEER_CMB_LENGTH_MAX (PEER_CMB_PRPS * PEER_CMB_PAGE)

/* ---- the disk --------------------------------------------------------- */

static int peer_cmb_identify(struct peer_cmb_controller *ctrl, u8 cns, u32 nsid)
{
	struct nvme_command cmd = { .identify = {
		.opcode = nvme_admin_identify,
		.nsid = cpu_to_le32(nsid),
		.dptr.prp1 = cpu_to_le64(peer_cmb_shared_addr(ctrl, id_ctrl)),
		.cns = cns,
	} };

	return peer_cmb_command(ctrl, PEER_CMB_ADMIN, &cmd);
}

/*
 * The disk is the first active namespace. Return: as peer_cmb_command(), or
 * -ENOMEDIUM if there is none, or none with a supported format.
 */
static int peer_cmb_identify_disk(struct peer_cmb_controller *ctrl)
{
	const struct nvme_id_ns *ns = &ctrl->shared->id_ns;
	const struct nvme_lbaf *format;
	int ret;

	ret = peer_cmb_identify(ctrl, NVME_ID_CNS_NS_ACTIVE_LIST, 0);
	if (ret)
		return ret;
	ctrl->nsid = le32_to_cpu(ctrl->shared->nsids[0]);
	if (!ctrl->nsid)
		return -ENOMEDIUM;
	ret = peer_cmb_identify(ctrl, NVME_ID_CNS_NS, ctrl->nsid);
	if (ret)
		return ret;

	format = &ns->lbaf[nvme_lbaf_index(ns->flbas)];
	if (format->ms || format->ds < SECTOR_SHIFT ||
	    format->ds > ilog2(PEER_CMB_PAGE))
		return -ENOMEDIUM;
	ctrl->block_shift = format->ds;
	ctrl->blocks = le64_to_cpu(ns->nsze);
	return 0;
}

static int peer_cmb_identify_max_length(struct peer_cmb_controller *ctrl)
{
	int ret = peer_cmb_identify(ctrl, NVME_ID_CNS_CTRL, 0);
	u8 mdts = ctrl->shared->id_ctrl.mdts;

	ctrl->max_length = PEER_CMB_LENGTH_MAX;
	if (!ret && mdts && mdts < ilog2(PEER_CMB_PRPS))
		ctrl->max_length = PEER_CMB_PAGE << mdts;
	return ret;
}

/* Errno of peer_cmb_command(). The log has the status of a failed command. */
static int peer_cmb_status_to_errno(int status)
{
	return status > 0 ? -EIO : status;
}

/* Starts the controller if needed. Return: 0 with ctrl->lock held, or -errno. */
static int peer_cmb_disk_lock(struct peer_cmb_controller *ctrl)
{
	int ret;

	if (mutex_lock_killable(&ctrl->lock))
		return -EINTR;
	ret = READ_ONCE(ctrl->stopping) ? -ENODEV : 0;
	if (ret || ctrl->running)
		goto out;
	ret = peer_cmb_start(ctrl);
	if (ret)
		goto out;
	ret = peer_cmb_identify_max_length(ctrl);
	if (!ret)
		ret = peer_cmb_identify_disk(ctrl);
	if (!ret)
		ret = peer_cmb_create_io_queue(ctrl);
	if (ret)
		peer_cmb_stop(ctrl);
out:
	if (ret)
		mutex_unlock(&ctrl->lock);
	return peer_cmb_status_to_errno(ret);
}

static void peer_cmb_disk_unlock(struct peer_cmb_controller *ctrl)
{
	mutex_unlock(&ctrl->lock);
}

/* ---- transfers -------------------------------------------------------- */

/* Sets the data pointer to [@bus, @bus + @length). @length: up to max_length. */
static void peer_cmb_set_prps(struct peer_cmb_controller *ctrl,
			      struct nvme_command *cmd, u64 bus, u32 length)
{
	u64 page = round_down(bus, PEER_CMB_PAGE) + PEER_CMB_PAGE;
	u64 end = bus + length;
	unsigned int n;

	cmd->common.dptr.prp1 = cpu_to_le64(bus);
	if (end <= page)
		return;
	if (end <= page + PEER_CMB_PAGE) {
		cmd->common.dptr.prp2 = cpu_to_le64(page);
		return;
	}
	for (n = 0; page < end; n++, page += PEER_CMB_PAGE)
		ctrl->shared->prps[n] = cpu_to_le64(page);
	cmd->common.dptr.prp2 = cpu_to_le64(peer_cmb_shared_addr(ctrl, prps));
}

/* One command. With FUA, written data is on the medium at its completion. */
static int peer_cmb_rw(void *priv, const struct peer_cmb_chunk *chunk)
{
	struct peer_cmb_controller *ctrl = priv;
	struct nvme_command cmd = { .rw = {
		.opcode = chunk->write ? nvme_cmd_write : nvme_cmd_read,
		.nsid = cpu_to_le32(ctrl->nsid),
		.slba = cpu_to_le64(chunk->disk_offset >> ctrl->block_shift),
		.length = cpu_to_le16((chunk->length >> ctrl->block_shift) - 1),
		.control = cpu_to_le16(chunk->write ? NVME_RW_FUA : 0),
	} };

	peer_cmb_set_prps(ctrl, &cmd, ctrl->cmb_bus + chunk->bar_offset,
			  chunk->length);
	return peer_cmb_status_to_errno(peer_cmb_command(ctrl, PEER_CMB_IO, &cmd));
}

static int peer_cmb_do_io(void *priv, const struct peer_cmb_io *io,
			  u64 bar_offset)
{
	struct peer_cmb_controller *ctrl = priv;
	int ret;

	if (io->disk != -1 || io->addr % sizeof(__le32))
		return -EINVAL;
	ret = peer_cmb_disk_lock(ctrl);
	if (ret)
		return ret;
	if ((io->length | io->offset) & (BIT(ctrl->block_shift) - 1))
		ret = -EINVAL;
	else
		ret = peer_cmb_check_range(io, ctrl->blocks << ctrl->block_shift);
	if (!ret)
		ret = peer_cmb_split_io(io, bar_offset, ctrl->max_length,
					peer_cmb_rw, ctrl);
	peer_cmb_disk_unlock(ctrl);
	return ret;
}

/* ---- ioctls ----------------------------------------------------------- */

static int peer_cmb_ioc_disk(struct ib_peer_bar *bar, void __user *user)
{
	struct peer_cmb_controller *ctrl;
	struct peer_cmb_disk arg;
	u32 size;
	int ret;

	ret = peer_args_get(&arg, sizeof(arg),
			    offsetofend(struct peer_cmb_disk, length), user,
			    &size);
	if (ret)
		return ret;
	if (arg.block_size || arg.length)
		return -EINVAL;

	ctrl = ib_peer_bar_enter(bar);
	if (IS_ERR(ctrl))
		return PTR_ERR(ctrl);
	ret = peer_cmb_disk_lock(ctrl);
	if (!ret) {
		arg.block_size = BIT(ctrl->block_shift);
		arg.length = ctrl->blocks << ctrl->block_shift;
		peer_cmb_disk_unlock(ctrl);
	}
	ib_peer_bar_exit(bar);
	return ret ? ret : peer_args_put(user, &arg, sizeof(arg), size);
}

long peer_cmb_disk_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg)
{
	switch (nr) {
	case PEER_CMB_IOC_DISK:
		return peer_cmb_ioc_disk(bar, arg);
	case PEER_CMB_IOC_IO:
		return peer_cmb_ioc_io(bar, arg, peer_cmb_do_io);
	default:
		return -ENOTTY;
	}
}
