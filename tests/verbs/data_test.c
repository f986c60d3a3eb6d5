// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Data of every operation, between all kinds of memory, at odd offsets and lengths,
 * across page and packet boundaries. See data.h for the comparison.
 */
#include "data.h"
#include "lib/raw.h"

/* Runs the table with small and with large packets, each with new contents. */
static void run_both_mtus(struct __test_metadata *_metadata, data_t *self,
			  transfer_fn transfer, struct vt_pair_opts opts)
{
	opts.mtu = IBV_MTU_1024;
	open_pair(_metadata, self, opts);
	run_table(_metadata, self, transfer, UINT_MAX);

	vt_buf_fill(&self->local, 3);
	vt_buf_fill(&self->remote, 4);
	opts.mtu = IBV_MTU_4096;
	open_pair(_metadata, self, opts);
	run_table(_metadata, self, transfer, UINT_MAX);
}

TEST_F_TIMEOUT(data, write, 120)
{
	run_both_mtus(_metadata, self, do_write, (struct vt_pair_opts){ 0 });
}

TEST_F_TIMEOUT(data, read, 120)
{
	run_both_mtus(_metadata, self, do_read, (struct vt_pair_opts){ 0 });
}

TEST_F_TIMEOUT(data, send, 120)
{
	run_both_mtus(_metadata, self, do_send, (struct vt_pair_opts){ 0 });
}

TEST_F_TIMEOUT(data, send_srq, 120)
{
	open_pair(_metadata, self, (struct vt_pair_opts){ .srq = true });
	run_table(_metadata, self, do_send, UINT_MAX);
}

/* UC has no acknowledgements. A SEND after the WRITE shows that the data has arrived. */
static int do_uc_write(data_t *self, uint64_t here, uint64_t there,
		       uint32_t length)
{
	struct ibv_wc wc;
	int ret;

	ret = do_write(self, here, there, length);
	if (!ret)
		ret = vt_send_recv(&self->pair, NULL, 0, NULL, 0, &wc);
	return ret;
}

TEST_F_TIMEOUT(data, uc, 120)
{
	open_pair(_metadata, self,
		  (struct vt_pair_opts){ .type = IBV_QPT_UC });
	run_table(_metadata, self, do_uc_write, UINT_MAX);
	vt_buf_fill(&self->local, 5);
	run_table(_metadata, self, do_send, UINT_MAX);
}

/* The first 40 bytes of a datagram are the GRH, which gets a separate buffer. */
static int do_ud(data_t *self, uint64_t here, uint64_t there, uint32_t length)
{
	struct ibv_sge from = vt_sge(&self->local, here, length);
	static uint8_t header[40];
	struct ibv_sge to[2];
	struct ibv_mr *mr;
	struct ibv_wc wc;
	int ret;

	mr = ibv_reg_mr(self->dev.pd, header, sizeof(header),
			IBV_ACCESS_LOCAL_WRITE);
	if (!mr)
		return -errno;
	to[0] = (struct ibv_sge){ (uintptr_t)header, 40, mr->lkey };
	to[1] = vt_sge(&self->remote, there, length);
	expect_copy(&self->remote, there, &self->local, here, length);
	ret = vt_send_recv(&self->pair, &from, 1, to, 2, &wc);
	ibv_dereg_mr(mr);
	if (!ret && (wc.status || wc.byte_len != length + 40))
		ret = -EBADMSG;
	return ret;
}

TEST_F_TIMEOUT(data, ud, 120)
{
	open_pair(_metadata, self,
		  (struct vt_pair_opts){ .type = IBV_QPT_UD });
	run_table(_metadata, self, do_ud, 1024);
}

TEST_F(data, write_with_immediate)
{
	struct ibv_sge sge = vt_sge(&self->local, 4090, 5000);
	struct vt_remote to = vt_remote(&self->remote, 8191);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE_WITH_IMM,
		.imm_data = 0xfeedbeef,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { to.addr, to.rkey },
	};
	struct ibv_wc wc;

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	ASSERT_EQ(0, vt_post_recv(&self->pair.end[1], NULL, 0));
	expect_copy(&self->remote, 8191, &self->local, 4090, 5000);
	ASSERT_EQ(0, vt_post_and_wait(&self->pair.end[0], &wr));
	ASSERT_EQ(0, vt_wait(&self->pair.end[1], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_SUCCESS, wc.status);
	EXPECT_EQ(0xfeedbeef, wc.imm_data);
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

/*
 * A scatter/gather list with pieces of the buffer under test and of a host buffer.
 * One piece is empty. On the other side the bytes are contiguous.
 */
struct piece {
	bool host;
	uint32_t offset;
	uint32_t length;
};

static const struct piece pieces[] = {
	{ true, 3, 100 }, { false, 4093, 5001 }, { false, 70000, 0 },
	{ true, 4095, 2 }, { false, 20481, 8 }, { true, 9000, 3333 },
};

#define PIECES_LENGTH (100 + 5001 + 2 + 8 + 3333)

static void make_list(struct ibv_sge *sge, struct vt_buf *host,
		      struct vt_buf *buf)
{
	size_t i;

	for (i = 0; i < COUNT(pieces); i++)
		sge[i] = vt_sge(pieces[i].host ? host : buf, pieces[i].offset,
				pieces[i].length);
}

static void expect_list(struct vt_buf *host, struct vt_buf *buf,
			struct vt_buf *flat, uint64_t there, bool gather)
{
	size_t i;

	for (i = 0; i < COUNT(pieces); i++) {
		struct vt_buf *piece = pieces[i].host ? host : buf;

		if (gather)
			expect_copy(flat, there, piece, pieces[i].offset,
				    pieces[i].length);
		else
			expect_copy(piece, pieces[i].offset, flat, there,
				    pieces[i].length);
		there += pieces[i].length;
	}
}

TEST_F(data, mixed_lists)
{
	struct vt_remote remote = vt_remote(&self->remote, 12285);
	struct ibv_sge flat = vt_sge(&self->remote, 30001, PIECES_LENGTH);
	struct ibv_sge sge[COUNT(pieces)];
	struct vt_buf host;
	struct ibv_wc wc;

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	vt_buf_fill(&host, 7);
	make_list(sge, &host, &self->local);

	expect_list(&host, &self->local, &self->remote, 12285, true);
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], sge, COUNT(pieces),
				   remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));

	expect_list(&host, &self->local, &self->remote, 30001, true);
	ASSERT_EQ(0, vt_send_recv(&self->pair, sge, COUNT(pieces), &flat, 1,
				  &wc));
	ASSERT_EQ(0, wc.status);
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));

	vt_buf_fill(&self->remote, 8);
	expect_list(&host, &self->local, &self->remote, 12285, false);
	ASSERT_EQ(0, vt_rdma_read(&self->pair.end[0], sge, COUNT(pieces),
				  remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
	ASSERT_EQ(0, vt_buf_check_all(&host));

	/* Receive into the list: now the remote buffer is the source. */
	vt_buf_fill(&self->remote, 9);
	flat = vt_sge(&self->remote, 777, PIECES_LENGTH);
	expect_list(&host, &self->local, &self->remote, 777, false);
	ASSERT_EQ(0, vt_send_recv(&self->pair, &flat, 1, sge, COUNT(pieces),
				  &wc));
	ASSERT_EQ(0, wc.status);
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
	ASSERT_EQ(0, vt_buf_check_all(&host));
	EXPECT_EQ(0, vt_buf_close(&host));
}

/* The 8 bytes of the shadow at @offset, at any alignment. */
static uint64_t get64(const struct vt_buf *buf, uint64_t offset)
{
	uint64_t value;

	memcpy(&value, buf->shadow + offset, sizeof(value));
	return value;
}

static void put64(struct vt_buf *buf, uint64_t offset, uint64_t value)
{
	memcpy(buf->shadow + offset, &value, sizeof(value));
}

TEST_F(data, atomics)
{
	static const uint32_t at[] = { 0, 8, 4088, 4096, SIZE - 8 };
	struct vt_end *end = &self->pair.end[0];
	size_t i;

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	for (i = 0; i < COUNT(at); i++) {
		/* The result may have any alignment, and cross a page boundary. */
		uint32_t here = 4093 + 8 * i;
		struct ibv_sge result = vt_sge(&self->local, here, 8);
		struct vt_remote there = vt_remote(&self->remote, at[i]);
		uint64_t was = get64(&self->remote, at[i]);

		ASSERT_EQ(0, vt_fetch_add(end, &result, there, 0x1000000001));
		put64(&self->local, here, was);
		put64(&self->remote, at[i], was + 0x1000000001);
		ASSERT_EQ(0, vt_buf_check(&self->local, here, 8));
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));

		was += 0x1000000001;
		ASSERT_EQ(0, vt_cmp_swap(end, &result, there, was ^ 1, 99));
		put64(&self->local, here, was);
		ASSERT_EQ(0, vt_buf_check(&self->local, here, 8));
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));

		ASSERT_EQ(0, vt_cmp_swap(end, &result, there, was, 99 + i));
		put64(&self->remote, at[i], 99 + i);
		ASSERT_EQ(0, vt_buf_check(&self->local, here, 8));
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));
	}
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

TEST_F(data, atomics_unaligned)
{
	struct vt_end *end = &self->pair.end[0];
	struct ibv_sge result = vt_sge(&self->local, 0, 8);

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	EXPECT_EQ(IBV_WC_REM_INV_REQ_ERR,
		  vt_fetch_add(end, &result, vt_remote(&self->remote, 4), 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_INV_REQ_ERR,
		  vt_cmp_swap(end, &result, vt_remote(&self->remote, 4091), 1,
			      1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_INV_REQ_ERR,
		  vt_atomic_write(end, vt_remote(&self->remote, 4095), 1));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
}

/* Two queue pairs add to one word concurrently; no addition is lost. */
TEST_F(data, atomics_concurrent)
{
	enum { ADDERS = 2, ADDS = 200 };
	struct vt_remote there = vt_remote(&self->remote, 4096);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
		.send_flags = IBV_SEND_SIGNALED,
		.num_sge = 1,
		.wr.atomic = { there.addr, 3, 0, there.rkey },
	};
	struct vt_pair pair[ADDERS];
	struct ibv_sge sge[ADDERS];
	struct ibv_wc wc;
	int i, n;

	for (i = 0; i < ADDERS; i++) {
		ASSERT_EQ(0, vt_pair_open(&pair[i], &self->dev, NULL));
		sge[i] = vt_sge(&self->local, 64 * i, 8);
	}
	for (n = 0; n < ADDS; n++) {
		for (i = 0; i < ADDERS; i++) {
			wr.sg_list = &sge[i];
			ASSERT_EQ(0, vt_post_send(&pair[i].end[0], &wr));
		}
		for (i = 0; i < ADDERS && n >= 8; i++) {
			ASSERT_EQ(0, vt_wait(&pair[i].end[0], &wc,
					     VT_TIMEOUT_MS));
			ASSERT_EQ(0, wc.status);
		}
	}
	for (i = 0; i < ADDERS; i++) {
		for (n = 0; n < 8; n++) {
			ASSERT_EQ(0, vt_wait(&pair[i].end[0], &wc,
					     VT_TIMEOUT_MS));
			ASSERT_EQ(0, wc.status);
		}
		vt_pair_close(&pair[i]);
	}
	put64(&self->remote, 4096,
	      get64(&self->remote, 4096) + 3 * ADDERS * ADDS);
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

TEST_F(data, atomic_write)
{
	static const uint32_t at[] = { 0, 4088, 4096, SIZE - 8 };
	size_t i;

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	for (i = 0; i < COUNT(at); i++) {
		uint64_t value = 0x8877665544332211 + i;

		ASSERT_EQ(0, vt_atomic_write(&self->pair.end[0],
					     vt_remote(&self->remote, at[i]),
					     value));
		put64(&self->remote, at[i], value);
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));
	}
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

TEST_F(data, flush)
{
	struct vt_end *end = &self->pair.end[0];
	struct vt_remote there;

	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	ASSERT_EQ(0, do_write(self, 3, 4093, 20001));
	there = vt_remote(&self->remote, 4093);
	ASSERT_EQ(0, vt_flush(end, there, 20001, VT_FLUSH_GLOBAL));
	ASSERT_EQ(0, vt_flush(end, there, 0, VT_FLUSH_GLOBAL));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));

	/* Past the end of the MR; and FLUSH_PERSISTENT, which the MR does not allow. */
	there = vt_remote(&self->remote, SIZE - 8);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_flush(end, there, 9, VT_FLUSH_GLOBAL));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_flush(end, there, 8, VT_FLUSH_PERSISTENT));
}

TEST_HARNESS_MAIN
