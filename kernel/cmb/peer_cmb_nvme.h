/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A controller that is bound to this driver, and its NVMe commands. The functions
 * need the lock of the controller.
 */
#ifndef PEER_CMB_NVME_H
#define PEER_CMB_NVME_H

#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>

#include "peer_cmb_node.h"
#include "peer_cmb_regs.h"

/* Entries of a queue. Only one is in use at a time. */
#define PEER_CMB_QUEUE_DEPTH 64

/* Entries of a PRP list of one page. */
#define PEER_CMB_PRPS (PEER_CMB_PAGE / sizeof(__le64))

/* All system memory that the controller accesses. Each array or union fills a page. */
struct peer_cmb_shared {
	struct {
		struct nvme_command sq[PEER_CMB_QUEUE_DEPTH];
		union {
			struct nvme_completion cq[PEER_CMB_QUEUE_DEPTH];
			u8 cq_page[PEER_CMB_PAGE];
		};
	} queues[2];
	__le64 prps[PEER_CMB_PRPS];
	union {
		struct nvme_id_ctrl id_ctrl;
		struct nvme_id_ns id_ns;
		__le32 nsids[PEER_CMB_PAGE / sizeof(__le32)];
	};
};

/* Queue identifiers, and indices of struct peer_cmb_shared.queues. */
enum { PEER_CMB_ADMIN, PEER_CMB_IO };

/**
 * struct peer_cmb_queue - a submission queue and its completion queue
 * @slot:  next entry of both
 * @depth: entries of each
 * @phase: phase tag of the next completion
 */
struct peer_cmb_queue {
	u16 slot;
	u16 depth;
	u16 phase;
};

/**
 * struct peer_cmb_controller - an NVMe controller that is bound to this driver
 * @pdev:    its PCI device
 * @node:    the device node of its buffer
 * @regs:    the first PEER_CMB_REGS_SIZE bytes of BAR 0
 * @cap:     register CAP
 * @cmb:     location of its buffer
 * @cmb_bus: PCI bus address of the buffer
 * @stopping: waits for the controller end early. Set before the buffer is
 *           unregistered, because that waits for callers of ib_peer_bar_enter()
 * @lock:    protects the fields below
 * @running: the controller accepts commands
 * @shared:  memory for the controller; allocated by the first start
 * @shared_dma: DMA address of @shared
 * @queues:  the admin queue and the I/O queue
 * @nsid:    namespace of the disk. This and the fields below are valid while
 *           @running is set
 * @block_shift: log2 of the block size in bytes
 * @blocks:  number of blocks
 * @max_length: maximum data length of a command, in bytes
 */
struct peer_cmb_controller {
	struct pci_dev *pdev;
	struct peer_cmb_node node;
	void __iomem *regs;
	u64 cap;
	struct peer_cmb_range cmb;
	u64 cmb_bus;
	bool stopping;

	struct mutex lock; /* see above */
	bool running;
	struct peer_cmb_shared *shared;
	dma_addr_t shared_dma;
	struct peer_cmb_queue queues[2];
	u32 nsid;
	unsigned int block_shift;
	u64 blocks;
	u32 max_length;
};

/* DMA address of a member of struct peer_cmb_shared. */
#define peer_cmb_shared_addr(ctrl, member)				\
	((ctrl)->shared_dma + offsetof(struct peer_cmb_shared, member))

/* Starts the controller, with the admin queue only. Return: 0 or -errno. */
int peer_cmb_start(struct peer_cmb_controller *ctrl);

/* Stops the controller in any state. It does no more DMA. */
void peer_cmb_stop(struct peer_cmb_controller *ctrl);

/* Return: as peer_cmb_command(). */
int peer_cmb_create_io_queue(struct peer_cmb_controller *ctrl);

/*
 * Submits a command and waits for its completion. Return: 0; the status (> 0) of a
 * command that failed; or -errno if there was no completion, and then the
 * controller is stopped.
 */
int peer_cmb_command(struct peer_cmb_controller *ctrl, unsigned int queue,
		     struct nvme_command *cmd);

#endif
