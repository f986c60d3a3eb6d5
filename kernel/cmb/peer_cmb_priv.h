/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * peer_cmb, private header.
 *
 * Lock order, outermost first:
 *
 *   the device's lock of the driver core (probe, remove, reset)
 *     ib_peer_bar_enter()
 *       lock of a controller
 */
#ifndef PEER_CMB_PRIV_H
#define PEER_CMB_PRIV_H

#include <linux/kconfig.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <rdma/ib_peer_bar.h>

/* ---- peer_cmb_drv.c: nodes --------------------------------------------- */

/* A number and a name for as long as the controller is known. */
struct peer_cmb_node {
	int id;
	char name[32];
	struct ib_peer_bar *bar;	/* NULL: not on offer now */
};

int peer_cmb_node_init(struct peer_cmb_node *node);
void peer_cmb_node_fini(struct peer_cmb_node *node);
/* @desc: all but name and owner. Return: as ib_peer_bar_add(). */
int peer_cmb_offer(struct peer_cmb_node *node, struct ib_peer_bar_desc *desc);
/* All use ends here; does not wait for users. */
void peer_cmb_withdraw(struct peer_cmb_node *node);

/* ---- peer_cmb_regs.c: what registers say ------------------------------- */

/* Where a controller memory buffer lies: bytes of a BAR, whole pages. */
struct peer_cmb_range {
	unsigned int bar;
	u64 offset;
	u64 size;
};

/*
 * @bar_sizes: of all PCI_STD_NUM_BARS, 0: not there
 * Return: NULL, with @cmb filled in, or what is wrong.
 */
const char *peer_cmb_decode(u32 cmbloc, u32 cmbsz, const u64 *bar_sizes,
			    struct peer_cmb_range *cmb);

/* ---- peer_cmb_io.c: the call that moves bytes -------------------------- */

struct peer_cmb_io;

/* @priv: of the bar. @place: of the memory, in the bar */
typedef int (*peer_cmb_io_fn)(void *priv, const struct peer_cmb_io *io,
			      u64 place);

int peer_cmb_ioc_io(struct ib_peer_bar *bar, void __user *user,
		    peer_cmb_io_fn do_io);

/* Return: 0 or -ERANGE: a disk of @disk_length bytes has not all of it. */
int peer_cmb_check_end(const struct peer_cmb_io *io, u64 disk_length);

/* What a disk moves at once. */
struct peer_cmb_part {
	u64 place;	/* of the memory, in the bar */
	u64 offset;	/* on the disk */
	u32 length;
	bool write;	/* to the disk */
};

typedef int (*peer_cmb_part_fn)(void *arg, const struct peer_cmb_part *part);

/*
 * Calls @fn for one part of @io after the other, each of @most bytes or less.
 * Return: 0, @fn's -errno, or -EINTR after a fatal signal.
 */
int peer_cmb_each_part(const struct peer_cmb_io *io, u64 place, u32 most,
		       peer_cmb_part_fn fn, void *arg);

/* ---- peer_cmb_own.c: controllers that are ours ------------------------- */

/* Entries of a queue. One is used at a time, so this is for going round. */
#define PEER_CMB_DEPTH 64

/* The specification's smallest page, and the only one that is used here. */
#define PEER_CMB_PAGE 4096U
#define PEER_CMB_PRPS (PEER_CMB_PAGE / sizeof(__le64))

/* All that the controller sees of system memory; a page each. */
struct peer_cmb_shared {
	struct {
		struct nvme_command sq[PEER_CMB_DEPTH];
		union {
			struct nvme_completion cq[PEER_CMB_DEPTH];
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

/* Numbers of the queues in struct peer_cmb_shared, and for the controller. */
enum { PEER_CMB_ADMIN, PEER_CMB_IO };

/**
 * struct peer_cmb_queue - a submission queue and its completion queue
 * @slot:  next entry, of both
 * @depth: entries, of both
 * @phase: of the completion that comes next
 */
struct peer_cmb_queue {
	u16 slot;
	u16 depth;
	u16 phase;
};

/**
 * struct peer_cmb_controller - an NVMe controller that this driver has
 * @regs:    the first PEER_CMB_REGISTERS bytes of BAR 0
 * @cap:     register CAP
 * @cmb:     its buffer
 * @cmb_bus: by which address the controller and the bus know the buffer
 * @leaving: stop waiting for the controller; set before users are ended
 * @lock:    covers what follows
 * @running: the controller takes commands
 * @shared:  allocated by the first start, @shared_bus is its bus address
 * @nsid:    namespace that is the disk; valid while running, as are the next
 * @block_shift: log2 of its block size
 * @blocks:  that it has
 * @max_length: of a command's data, in bytes
 */
struct peer_cmb_controller {
	struct pci_dev *pdev;
	struct peer_cmb_node node;
	void __iomem *regs;
	u64 cap;
	struct peer_cmb_range cmb;
	u64 cmb_bus;
	bool leaving;

	struct mutex lock; /* see above */
	bool running;
	struct peer_cmb_shared *shared;
	dma_addr_t shared_bus;
	struct peer_cmb_queue queues[2];
	u32 nsid;
	unsigned int block_shift;
	u64 blocks;
	u32 max_length;
};

/* Registers, and the doorbells of two queues; more where they lie far apart. */
#define PEER_CMB_REGISTERS (2 * PEER_CMB_PAGE)

int peer_cmb_own_init(void);
void peer_cmb_own_exit(void);

/* ---- peer_cmb_pool.c: controllers of the kernel's driver --------------- */

struct peer_cmb_pool;

#if IS_ENABLED(CONFIG_PCI_P2PDMA)
int peer_cmb_pool_init(void);
void peer_cmb_pool_exit(void);
/* The pages' address in the kernel. */
void *peer_cmb_pool_addr(struct peer_cmb_pool *pool, u64 place);

/* peer_cmb_pool_io.c */
long peer_cmb_pool_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg);
#else
static inline int peer_cmb_pool_init(void)
{
	return 0;
}

static inline void peer_cmb_pool_exit(void)
{
}
#endif

/* ---- peer_cmb_queue.c: commands; the controller's lock is held --------- */

#define peer_cmb_bus_of(ctrl, member)					\
	((ctrl)->shared_bus + offsetof(struct peer_cmb_shared, member))

/* Start it; only its admin queue is there afterwards. Return: 0 or -errno. */
int peer_cmb_start(struct peer_cmb_controller *ctrl);
/* It uses no memory of the system any more, whatever it was doing. */
void peer_cmb_stop(struct peer_cmb_controller *ctrl);
int peer_cmb_create_io_queue(struct peer_cmb_controller *ctrl);
/*
 * Return: 0, the status of the command (enum, > 0) if it failed, or -errno:
 * there was no answer, and the controller is stopped.
 */
int peer_cmb_command(struct peer_cmb_controller *ctrl, unsigned int queue,
		     struct nvme_command *cmd);

/* ---- peer_cmb_disk.c --------------------------------------------------- */

long peer_cmb_disk_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg);

#endif
