// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A worker runs batches of operations of all kinds between slots of all kinds,
 * over two connected queue pairs, in both directions. The data is new each
 * time. No slot is in two operations of a batch, so the expected content is
 * unique. Both slots are compared as a whole afterwards.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "stress.h"

#define BATCH 16
#define VICTIM_EVERY 12
#define REGISTER_EVERY 24
#define FLUSH_EVERY 8

enum kind {
	WRITE, WRITE_IMM, READ, SEND, ADD, SWAP, ATOMIC_WRITE, KINDS,
};

/* The expected completion of a receive. */
struct expected_recv {
	uint32_t length;
	uint32_t imm;		/* 0: none */
};

/* Operations in progress at one queue pair. */
struct pending {
	int sends;
	int receives;
	struct expected_recv expected_recv[BATCH];
};

struct batch {
	struct slot *slot[2 * BATCH];
	int slots;
	struct pending pending[PAIRS][2];
};

struct worker {
	struct vt_dev dev;
	struct vt_pair pair[PAIRS];
	struct memory memory;
	struct victim victim;
	struct counters *counters;
	uint64_t seed;
	uint64_t num_random;
};

static uint64_t next_random(struct worker *w)
{
	return vt_pattern_word(w->seed, w->num_random++);
}

/* ---- one operation ---- */

struct op {
	enum kind kind;
	struct slot *from, *to;
	uint32_t from_at, to_at, length;
	uint64_t operand, compare;
};

static bool is_atomic(enum kind kind)
{
	return kind == ADD || kind == SWAP || kind == ATOMIC_WRITE;
}

/* A READ stores locally. An atomic operation returns the old value. */
static bool to_is_local(enum kind kind)
{
	return kind == READ;
}

static uint32_t key(struct worker *w, const struct slot *slot)
{
	return (next_random(w) % 4 ? *slot->mr : w->memory.everything)->rkey;
}

static void put_word(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, 8);
}

static struct op random_op(struct worker *w, struct batch *batch)
{
	struct op op = {
		.kind = next_random(w) % KINDS,
		.operand = next_random(w),
	};

	op.from = memory_take(&w->memory, next_random(w));
	op.to = memory_take(&w->memory, next_random(w));
	batch->slot[batch->slots++] = op.from;
	batch->slot[batch->slots++] = op.to;
	op.length = is_atomic(op.kind) ? 8 : next_random(w) % SLOT + 1;
	op.from_at = next_random(w) % (SLOT - op.length + 1);
	op.to_at = next_random(w) % (SLOT - op.length + 1);
	if (is_atomic(op.kind)) {
		op.from_at &= ~7U;
		op.to_at &= ~7U;
	}
	return op;
}

/* Applies the operation to the shadows. */
static void apply_to_shadow(struct worker *w, struct op *op)
{
	uint8_t *from = op->from->shadow + op->from_at;
	uint8_t *to = op->to->shadow + op->to_at;
	uint64_t found;

	memcpy(&found, to, 8 < op->length ? 8 : op->length);
	switch (op->kind) {
	case ADD:
		put_word(from, found);
		put_word(to, found + op->operand);
		break;
	case SWAP:
		op->compare = next_random(w) & 1 ? found : ~found;
		put_word(from, found);
		if (op->compare == found)
			put_word(to, op->operand);
		break;
	case ATOMIC_WRITE:
		put_word(to, op->operand);
		break;
	default:
		slot_fill(op->from, next_random(w), op->from_at, op->length);
		memcpy(to, from, op->length);
	}
}

static int post_atomic_write(struct vt_end *end, const struct vt_remote *at,
			     const struct op *op)
{
	ibv_wr_start(end->qpx);
	end->qpx->wr_id = op->kind;
	end->qpx->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_atomic_write(end->qpx, at->rkey, at->addr, &op->operand);
	return -ibv_wr_complete(end->qpx);
}

static int post_send(struct worker *w, struct vt_end *end,
		     const struct op *op, uint32_t imm)
{
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_READ,
		IBV_WR_SEND, IBV_WR_ATOMIC_FETCH_AND_ADD,
		IBV_WR_ATOMIC_CMP_AND_SWP,
	};
	bool swapped = to_is_local(op->kind);
	struct slot *local = swapped ? op->to : op->from;
	struct slot *remote = swapped ? op->from : op->to;
	struct vt_remote there = {
		(uintptr_t)remote->at + (swapped ? op->from_at : op->to_at),
		key(w, remote)
	};
	struct ibv_sge sge = {
		(uintptr_t)local->at + (swapped ? op->to_at : op->from_at),
		op->length, key(w, local)
	};
	struct ibv_send_wr wr = {
		.wr_id = op->kind,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.imm_data = htonl(imm),
	};

	if (op->kind == ATOMIC_WRITE)
		return post_atomic_write(end, &there, op);
	wr.opcode = opcodes[op->kind];
	if (is_atomic(op->kind)) {
		wr.wr.atomic.remote_addr = there.addr;
		wr.wr.atomic.rkey = there.rkey;
		wr.wr.atomic.compare_add =
			op->kind == ADD ? op->operand : op->compare;
		wr.wr.atomic.swap = op->operand;
	} else {
		wr.wr.rdma.remote_addr = there.addr;
		wr.wr.rdma.rkey = there.rkey;
	}
	return vt_post_send(end, &wr);
}

static int post_receive(struct worker *w, struct vt_end *end,
			const struct op *op, struct pending *pending,
			uint32_t imm)
{
	struct ibv_sge sge = {
		(uintptr_t)op->to->at + op->to_at, op->length, key(w, op->to)
	};

	pending->expected_recv[pending->receives++] = (struct expected_recv){
		.length = op->length, .imm = imm,
	};
	return vt_post_recv(end, &sge, op->kind == SEND);
}

static int post(struct worker *w, struct batch *batch)
{
	uint64_t random = next_random(w);
	int pair = random % PAIRS, from = random / PAIRS % 2;
	struct pending *pending = batch->pending[pair];
	struct vt_end *end = w->pair[pair].end;
	struct op op = random_op(w, batch);
	uint32_t imm = op.kind == WRITE_IMM ? (random >> 32) | 1 : 0;
	int ret = 0;

	apply_to_shadow(w, &op);
	if (op.kind == WRITE_IMM || op.kind == SEND)
		ret = post_receive(w, &end[!from], &op, &pending[!from], imm);
	if (!ret)
		ret = post_send(w, &end[from], &op, imm);
	pending[from].sends++;
	atomic_fetch_add(&w->counters->operations, 1);
	return ret;
}

/* ---- a batch ---- */

static int check_recv(const struct expected_recv *expected_recv,
			 const struct ibv_wc *wc)
{
	if (expected_recv->imm)
		return wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM &&
		       ntohl(wc->imm_data) == expected_recv->imm &&
		       wc->byte_len == expected_recv->length ? 0 : -EBADMSG;
	return wc->opcode == IBV_WC_RECV &&
	       wc->byte_len == expected_recv->length ? 0 : -EBADMSG;
}

static int wait_for(struct vt_end *end, struct pending *pending)
{
	int left = pending->sends + pending->receives, received = 0, ret = 0;
	struct ibv_wc wc;

	while (left-- && !ret) {
		ret = vt_wait(end, &wc, WAIT_MS);
		if (!ret)
			ret = wc.status;
		if (ret)
			fprintf(stderr, "# QP %u, %llu: %s\n", wc.qp_num,
				(unsigned long long)wc.wr_id, ret < 0 ?
				strerror(-ret) : ibv_wc_status_str(ret));
		else if (wc.opcode & IBV_WC_RECV)
			ret = check_recv(&pending->expected_recv[received++],
					 &wc);
	}
	return ret;
}

/*
 * Waits for all queue pairs, also after an error, so that the first error is
 * seen.
 */
static int wait_all(struct worker *w, struct batch *batch)
{
	int i, ret = 0, first = 0;

	for (i = 0; i < 2 * PAIRS; i++) {
		ret = wait_for(&w->pair[i / 2].end[i % 2],
			       &batch->pending[i / 2][i % 2]);
		if (ret && !first)
			first = ret;
		if (ret == -ETIMEDOUT)
			break;
	}
	return first;
}

static int check_all(struct worker *w, struct batch *batch)
{
	int i, ret;

	for (i = 0; i < batch->slots; i++) {
		ret = slot_check(batch->slot[i], next_random(w) & 1);
		if (ret < 0)
			return ret;
		atomic_fetch_add(&w->counters->compared, SLOT);
		atomic_fetch_add(&w->counters->wrong, ret);
		batch->slot[i]->taken = false;
		if (ret)
			return -EILSEQ;
	}
	return 0;
}

static int run_batch(struct worker *w)
{
	bool victim = next_random(w) % VICTIM_EVERY == 0;
	struct batch batch = { 0 };
	int i, ret = 0;

	for (i = 0; i < BATCH && !ret; i++)
		ret = post(w, &batch);
	if (!ret && victim)
		ret = victim_start(&w->victim, next_random(w), w->counters);
	if (!ret)
		ret = wait_all(w, &batch);
	if (!ret && victim)
		ret = victim_finish(&w->victim, w->counters);
	return ret ? ret : check_all(w, &batch);
}

static int flush(struct worker *w)
{
	struct slot *slot = &w->memory.slot[next_random(w) % SLOTS];
	struct vt_remote at = { (uintptr_t)slot->at, (*slot->mr)->rkey };

	return vt_flush(&w->pair[0].end[0], at, SLOT, VT_FLUSH_GLOBAL);
}

static int work(struct worker *w, struct shared *shared)
{
	uint64_t n;
	int ret = 0;

	for (n = 1; !ret && !atomic_load(&shared->stop); n++) {
		ret = run_batch(w);
		if (!ret && n % FLUSH_EVERY == 0)
			ret = flush(w);
		if (!ret && n % REGISTER_EVERY == 0) {
			ret = memory_register(&w->memory, next_random(w));
			atomic_fetch_add(&w->counters->registered, 1);
		}
	}
	return ret;
}

/* ---- start and end ---- */

static int open_all(struct worker *w, int vram, struct layout *layout)
{
	struct vt_pair_opts opts = { .timeout = 20 };
	int i, ret = vt_dev_open(&w->dev);

	for (i = 0; i < PAIRS && !ret; i++)
		ret = vt_pair_open(&w->pair[i], &w->dev, &opts);
	if (!ret)
		ret = victim_open(&w->victim, &w->dev);
	if (!ret)
		ret = memory_open(&w->memory, &w->dev, vram, layout,
				  next_random(w));
	return ret;
}

static int check_memory(struct worker *w)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < SLOTS && !ret; i++) {
		ret = slot_check(&w->memory.slot[i], i & 1);
		atomic_fetch_add(&w->counters->compared, SLOT);
		if (ret > 0)
			atomic_fetch_add(&w->counters->wrong, ret);
	}
	return ret;
}

static int close_all(struct worker *w)
{
	int i, ret = memory_close(&w->memory);

	victim_close(&w->victim);
	for (i = 0; i < PAIRS; i++)
		vt_pair_close(&w->pair[i]);
	vt_dev_close(&w->dev);
	return ret;
}

/* The OOM killer must not choose the mover. */
static pid_t start_mover(struct shared *shared, int index, int vram,
			 uint64_t seed)
{
	pid_t self = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	vt_write_file("/proc/self/oom_score_adj", "-1000");
	_exit(mover_run(shared, index, vram, self, seed));
}

int worker_run(struct shared *shared, int index, uint64_t seed)
{
	int vram = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	struct layout *layout = &shared->layout[index];
	struct worker *w = calloc(1, sizeof(*w));
	const char *what = "setup";
	pid_t mover;
	int ret;

	memset(layout, 0, sizeof(*layout));
	w->counters = &shared->counters[index];
	w->seed = seed;
	mover = vram < 0 ? -1 : start_mover(shared, index, vram, ~seed);
	ret = mover < 0 ? -errno : open_all(w, vram, layout);
	if (!ret) {
		what = "traffic";
		ret = work(w, shared);
	}
	if (!ret) {
		what = "final check";
		ret = check_memory(w);
	}
	if (!ret) {
		what = "cleanup";
		ret = close_all(w);
	}
	if (!ret && vt_wait_child(mover, WAIT_MS))
		ret = -ECHILD;
	if (ret)
		fprintf(stderr, "# worker %d: %s: %s (%d)\n", index, what,
			ret < 0 ? strerror(-ret) : ibv_wc_status_str(ret), ret);
	return !!ret;
}
