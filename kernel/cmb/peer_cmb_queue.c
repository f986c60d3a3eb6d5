// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A minimal NVMe host: an admin queue and one for I/O, polled, one command at a
 * time.
 *
 * Since no command is posted before the last was answered, both queues of a pair
 * go round together, by one index. Queues and lists are in the system's memory:
 * the specification lets only commands of a queue in the controller's own memory
 * have their lists there.
 *
 * Every wait is bounded, and ends early when the controller is gone, has failed,
 * or is about to be taken away. A controller that did not answer is stopped, so
 * that it uses none of the memory that was given to it; the next start brings it
 * back.
 */
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>

#include "peer_cmb_priv.h"

#define PEER_CMB_COMMAND_TIMEOUT_US (10 * USEC_PER_SEC)
#define PEER_CMB_POLL_US 20

static_assert(sizeof(struct peer_cmb_shared) == 6 * PEER_CMB_PAGE);

/* CAP.TO: 500 ms each. */
static u64 peer_cmb_ready_timeout_us(const struct peer_cmb_controller *ctrl)
{
	return (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * 500 * USEC_PER_MSEC;
}

static int peer_cmb_wait_status(struct peer_cmb_controller *ctrl, u32 mask,
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

/* Have it write out what it caches. */
static void peer_cmb_shut_down(struct peer_cmb_controller *ctrl, u32 cc)
{
	writel((cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL,
	       ctrl->regs + NVME_REG_CC);
	if (peer_cmb_wait_status(ctrl, NVME_CSTS_SHST_MASK,
				 NVME_CSTS_SHST_CMPLT) == -ETIMEDOUT)
		dev_warn(&ctrl->pdev->dev, "the disk does not shut down\n");
}

void peer_cmb_stop(struct peer_cmb_controller *ctrl)
{
	u32 cc = readl(ctrl->regs + NVME_REG_CC);

	lockdep_assert_held(&ctrl->lock);

	if (cc != ~0U && cc & NVME_CC_ENABLE) {
		if (ctrl->running)
			peer_cmb_shut_down(ctrl, cc);
		writel(cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK),
		       ctrl->regs + NVME_REG_CC);
		if (peer_cmb_wait_status(ctrl, NVME_CSTS_RDY, 0) == -ETIMEDOUT)
			dev_err(&ctrl->pdev->dev,
				"the controller cannot be stopped\n");
	}
	/* Whatever it still means to do. */
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

/* Can it be driven by this driver at all? */
static int peer_cmb_check(const struct peer_cmb_controller *ctrl)
{
	const char *wrong = NULL;

	if (!(NVME_CAP_CSS(ctrl->cap) & NVME_CAP_CSS_NVM))
		wrong = "does not have the NVM command set";
	else if (NVME_CAP_MPSMIN(ctrl->cap))
		wrong = "does not do pages of 4 KiB";
	else if (peer_cmb_doorbell(ctrl, PEER_CMB_IO, true) >=
		 ctrl->regs + PEER_CMB_REGISTERS)
		wrong = "has its doorbells too far apart";
	if (!wrong)
		return 0;
	dev_err_ratelimited(&ctrl->pdev->dev,
			    "no access to the disk: the controller %s\n", wrong);
	return -ENOMEDIUM;
}

static int peer_cmb_share(struct peer_cmb_controller *ctrl)
{
	if (!ctrl->shared)
		ctrl->shared = dma_alloc_coherent(&ctrl->pdev->dev,
						  sizeof(*ctrl->shared),
						  &ctrl->shared_bus, GFP_KERNEL);
	return ctrl->shared ? 0 : -ENOMEM;
}

int peer_cmb_start(struct peer_cmb_controller *ctrl)
{
	u32 depth = PEER_CMB_DEPTH - 1;	/* counted from 0, here and in AQA */
	int ret;

	lockdep_assert_held(&ctrl->lock);

	ret = peer_cmb_check(ctrl);
	if (!ret)
		ret = peer_cmb_share(ctrl);
	if (ret)
		return ret;
	peer_cmb_queue_init(ctrl, PEER_CMB_ADMIN, PEER_CMB_DEPTH);
	pci_set_master(ctrl->pdev);
	pci_intx(ctrl->pdev, 0);

	writel(depth << 16 | depth, ctrl->regs + NVME_REG_AQA);
	lo_hi_writeq(peer_cmb_bus_of(ctrl, queues[PEER_CMB_ADMIN].sq),
		     ctrl->regs + NVME_REG_ASQ);
	lo_hi_writeq(peer_cmb_bus_of(ctrl, queues[PEER_CMB_ADMIN].cq),
		     ctrl->regs + NVME_REG_ACQ);
	writel(NVME_CC_CSS_NVM | NVME_CC_AMS_RR | NVME_CC_IOSQES |
	       NVME_CC_IOCQES | NVME_CC_ENABLE, ctrl->regs + NVME_REG_CC);
	ret = peer_cmb_wait_status(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY);
	if (ret) {
		peer_cmb_stop(ctrl);
		return ret;
	}
	ctrl->running = true;
	return 0;
}

/* Return: 1 answered, 0 not yet, or why there will be no answer. */
static int peer_cmb_look(struct peer_cmb_controller *ctrl,
			 const struct nvme_completion *cqe, u16 phase)
{
	u32 csts;

	if ((le16_to_cpu(READ_ONCE(cqe->status)) & 1) == phase)
		return 1;
	if (READ_ONCE(ctrl->leaving))
		return -ENODEV;
	csts = readl(ctrl->regs + NVME_REG_CSTS);
	if (csts == ~0U)
		return -ENODEV;
	return csts & NVME_CSTS_CFS ? -EIO : 0;
}

static int peer_cmb_wait(struct peer_cmb_controller *ctrl,
			 const struct nvme_completion *cqe, u16 phase)
{
	int ret, answer;

	ret = read_poll_timeout(peer_cmb_look, answer, answer, PEER_CMB_POLL_US,
				PEER_CMB_COMMAND_TIMEOUT_US, false, ctrl, cqe,
				phase);
	if (answer > 0)
		dma_rmb();	/* The rest of the entry came with its phase. */
	else if (answer)
		ret = answer;
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
	 * The entry, and what this processor still combines of writes into the
	 * controller's memory, come before what tells of them.
	 */
	wmb();
	writel(next, peer_cmb_doorbell(ctrl, queue, false));
	ret = peer_cmb_wait(ctrl, cqe, q->phase);
	if (ret) {
		if (!READ_ONCE(ctrl->leaving))
			dev_err_ratelimited(&ctrl->pdev->dev,
					    "no answer to command %#x: %pe\n",
					    cmd->common.opcode, ERR_PTR(ret));
		ctrl->running = false;
		peer_cmb_stop(ctrl);
		return ret;
	}

	ret = le16_to_cpu(cqe->status) >> 1 & NVME_SCT_SC_MASK;
	if (ret)
		dev_err_ratelimited(&ctrl->pdev->dev,
				    "command %#x ended with status %#x\n",
				    cmd->common.opcode, ret);
	q->slot = next;
	if (!next)
		q->phase ^= 1;
	writel(next, peer_cmb_doorbell(ctrl, queue, true));
	return ret;
}

int peer_cmb_create_io_queue(struct peer_cmb_controller *ctrl)
{
	u16 depth = min_t(u32, PEER_CMB_DEPTH, NVME_CAP_MQES(ctrl->cap) + 1);
	struct nvme_command cq = { .create_cq = {
		.opcode = nvme_admin_create_cq,
		.prp1 = cpu_to_le64(peer_cmb_bus_of(ctrl, queues[PEER_CMB_IO].cq)),
		.cqid = cpu_to_le16(PEER_CMB_IO),
		.qsize = cpu_to_le16(depth - 1),
		.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
	} };
	struct nvme_command sq = { .create_sq = {
		.opcode = nvme_admin_create_sq,
		.prp1 = cpu_to_le64(peer_cmb_bus_of(ctrl, queues[PEER_CMB_IO].sq)),
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
