// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A minimal NVMe host: an admin queue and an I/O queue, polled, with one command at
 * a time.
 *
 * A command is submitted only after the previous one has completed. So both queues
 * of a pair advance together, with one index. Queues and PRP lists are in system
 * memory: the specification allows lists in the controller memory buffer only for
 * queues that are there, too.
 *
 * Every wait is bounded. It ends early if the controller is gone, has failed, or is
 * about to be deactivated. After a timeout the controller is stopped, so that it
 * does no DMA to memory of this driver. The next peer_cmb_start() restarts it.
 */
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>

#include "peer_cmb_nvme.h"

#define PEER_CMB_COMMAND_TIMEOUT_US (10 * USEC_PER_SEC)
#define PEER_CMB_POLL_US 20

static_assert(sizeof(struct peer_cmb_shared) == 6 * PEER_CMB_PAGE);

/* CAP.TO is in units of 500 ms. */
static u64 peer_cmb_ready_timeout_us(const struct peer_cmb_controller *ctrl)
{
	return (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * 500 * USEC_PER_MSEC;
}

static int peer_cmb_wait_csts(struct peer_cmb_controller *ctrl, u32 mask,
			      u32 want)
{
	u32 csts;
	int ret;

	ret = read_poll_timeout(readl, csts,
				csts == ~0U || (csts & mask) == want, 1000,
				peer_cmb_ready_timeout_us(ctrl), false,
				ctrl->regs + NVME_REG_CSTS);
	return csts == ~0U ? -ENODEV : ret;
}

/* Lets the controller write its caches to the medium. */
static void peer_cmb_shutdown(struct peer_cmb_controller *ctrl, u32 cc)
{
	writel((cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL,
	       ctrl->regs + NVME_REG_CC);
	if (peer_cmb_wait_csts(ctrl, NVME_CSTS_SHST_MASK,
			       NVME_CSTS_SHST_CMPLT) == -ETIMEDOUT)
		dev_warn(&ctrl->pdev->dev, "the controller does not shut down\n");
}

void peer_cmb_stop(struct peer_cmb_controller *ctrl)
{
	u32 cc = readl(ctrl->regs + NVME_REG_CC);

	lockdep_assert_held(&ctrl->lock);

	if (cc != ~0U && cc & NVME_CC_ENABLE) {
		if (ctrl->running)
			peer_cmb_shutdown(ctrl, cc);
		writel(cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK),
		       ctrl->regs + NVME_REG_CC);
		if (peer_cmb_wait_csts(ctrl, NVME_CSTS_RDY, 0) == -ETIMEDOUT)
			dev_err(&ctrl->pdev->dev,
				"the controller does not stop\n");
	}
	/* Ends DMA also of a controller that did not stop. */
	pci_clear_master(ctrl->pdev);
	ctrl->running = false;
}

static void __iomem *peer_cmb_doorbell(const struct peer_cmb_controller *ctrl,
				       unsigned int queue, bool completion)
{
	return ctrl->regs + NVME_REG_DBS +
	       (2 * queue + completion) * (4 << NVME_CAP_STRIDE(ctrl->cap));
}

static void peer_cmb_queue_init(struct peer_cmb_controller *ctrl,
				unsigned int queue, u16 depth)
{
	memset(&ctrl->shared->queues[queue], 0,
	       sizeof(ctrl->shared->queues[queue]));
	ctrl->queues[queue] = (struct peer_cmb_queue){
		.depth = depth,
		.phase = 1,
	};
}

/* Does this driver support the controller? */
static int peer_cmb_check_cap(const struct peer_cmb_controller *ctrl)
{
	const char *error = NULL;

	if (!(NVME_CAP_CSS(ctrl->cap) & NVME_CAP_CSS_NVM))
		error = "does not support the NVM command set";
	else if (NVME_CAP_MPSMIN(ctrl->cap))
		error = "does not support 4 KiB pages";
	else if (peer_cmb_doorbell(ctrl, PEER_CMB_IO, true) >=
		 ctrl->regs + PEER_CMB_REGS_SIZE)
		error = "has an unsupported doorbell stride";
	if (!error)
		return 0;
	dev_err_ratelimited(&ctrl->pdev->dev,
			    "no access to the disk: the controller %s\n", error);
	return -ENOMEDIUM;
}

static int peer_cmb_alloc_shared(struct peer_cmb_controller *ctrl)
{
	if (!ctrl->shared)
		ctrl->shared = dma_alloc_coherent(&ctrl->pdev->dev,
						  sizeof(*ctrl->shared),
						  &ctrl->shared_dma, GFP_KERNEL);
	return ctrl->shared ? 0 : -ENOMEM;
}

int peer_cmb_start(struct peer_cmb_controller *ctrl)
{
	u32 depth = PEER_CMB_QUEUE_DEPTH - 1;	/* AQA has 0 for one entry */
	int ret;

	lockdep_assert_held(&ctrl->lock);

	ret = peer_cmb_check_cap(ctrl);
	if (!ret)
		ret = peer_cmb_alloc_shared(ctrl);
	if (ret)
		return ret;
	peer_cmb_queue_init(ctrl, PEER_CMB_ADMIN, PEER_CMB_QUEUE_DEPTH);
	pci_set_master(ctrl->pdev);
	pci_intx(ctrl->pdev, 0);

	writel(depth << 16 | depth, ctrl->regs + NVME_REG_AQA);
	lo_hi_writeq(peer_cmb_shared_addr(ctrl, queues[PEER_CMB_ADMIN].sq),
		     ctrl->regs + NVME_REG_ASQ);
	lo_hi_writeq(peer_cmb_shared_addr(ctrl, queues[PEER_CMB_ADMIN].cq),
		     ctrl->regs + NVME_REG_ACQ);
	writel(NVME_CC_CSS_NVM | NVME_CC_AMS_RR | NVME_CC_IOSQES |
	       NVME_CC_IOCQES | NVME_CC_ENABLE, ctrl->regs + NVME_REG_CC);
	ret = peer_cmb_wait_csts(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY);
	if (ret) {
		peer_cmb_stop(ctrl);
		return ret;
	}
	ctrl->running = true;
	return 0;
}

/* Return: 1 completed; 0 pending; -ENODEV, -EIO there will be no completion. */
static int peer_cmb_poll_completion(struct peer_cmb_controller *ctrl,
				    const struct nvme_completion *cqe,
				    u16 phase)
{
	u32 csts;

	if ((le16_to_cpu(READ_ONCE(cqe->status)) & 1) == phase)
		return 1;
	if (READ_ONCE(ctrl->stopping))
		return -ENODEV;
	csts = readl(ctrl->regs + NVME_REG_CSTS);
	if (csts == ~0U)
		return -ENODEV;
	return csts & NVME_CSTS_CFS ? -EIO : 0;
}

static int peer_cmb_wait_completion(struct peer_cmb_controller *ctrl,
				    const struct nvme_completion *cqe,
				    u16 phase)
{
	int ret, state;

	ret = read_poll_timeout(peer_cmb_poll_completion, state, state,
				PEER_CMB_POLL_US, PEER_CMB_COMMAND_TIMEOUT_US,
				false, ctrl, cqe, phase);
	if (state > 0)
		dma_rmb();	/* Reads the rest of the entry after its phase. */
	else if (state)
		ret = state;
	return ret;
}

int peer_cmb_command(struct peer_cmb_controller *ctrl, unsigned int queue,
		     struct nvme_command *cmd)
{
	struct peer_cmb_queue *q = &ctrl->queues[queue];
	struct nvme_completion *cqe = &ctrl->shared->queues[queue].cq[q->slot];
	u16 next = (q->slot + 1) % q->depth;
	int ret;

	lockdep_assert_held(&ctrl->lock);

	cmd->common.command_id = q->slot;
	ctrl->shared->queues[queue].sq[q->slot] = *cmd;
	/*
	 * Orders the queue entry, and write-combined writes of this CPU to the
	 * controller memory buffer, before the doorbell.
	 */
	wmb();
	writel(next, peer_cmb_doorbell(ctrl, queue, false));
	ret = peer_cmb_wait_completion(ctrl, cqe, q->phase);
	if (ret) {
		if (!READ_ONCE(ctrl->stopping))
			dev_err_ratelimited(&ctrl->pdev->dev,
					    "no completion of command %#x: %pe\n",
					    cmd->common.opcode, ERR_PTR(ret));
		ctrl->running = false;
		peer_cmb_stop(ctrl);
		return ret;
	}

	ret = le16_to_cpu(cqe->status) >> 1 & NVME_SCT_SC_MASK;
	if (ret)
		dev_err_ratelimited(&ctrl->pdev->dev,
				    "command %#x failed with status %#x\n",
				    cmd->common.opcode, ret);
	q->slot = next;
	if (!next)
		q->phase ^= 1;
	writel(next, peer_cmb_doorbell(ctrl, queue, true));
	return ret;
}

int peer_cmb_create_io_queue(struct peer_cmb_controller *ctrl)
{
	u16 depth = min_t(u32, PEER_CMB_QUEUE_DEPTH, NVME_CAP_MQES(ctrl->cap) + 1);
	struct nvme_command cq = { .create_cq = {
		.opcode = nvme_admin_create_cq,
		.prp1 = cpu_to_le64(peer_cmb_shared_addr(ctrl, queues[PEER_CMB_IO].cq)),
		.cqid = cpu_to_le16(PEER_CMB_IO),
		.qsize = cpu_to_le16(depth - 1),
		.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
	} };
	struct nvme_command sq = { .create_sq = {
		.opcode = nvme_admin_create_sq,
		.prp1 = cpu_to_le64(peer_cmb_shared_addr(ctrl, queues[PEER_CMB_IO].sq)),
		.sqid = cpu_to_le16(PEER_CMB_IO),
		.qsize = cpu_to_le16(depth - 1),
		.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
		.cqid = cpu_to_le16(PEER_CMB_IO),
	} };
	int ret;

	peer_cmb_queue_init(ctrl, PEER_CMB_IO, depth);
	ret = peer_cmb_command(ctrl, PEER_CMB_ADMIN, &cq);
	return ret ? ret : peer_cmb_command(ctrl, PEER_CMB_ADMIN, &sq);
}
