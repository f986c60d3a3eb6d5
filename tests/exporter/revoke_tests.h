/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Revocation. When the command has returned, every access fails, and nothing writes to the
 * memory any more. The memory itself may stay, or end with SIGBUS.
 */
#ifndef EXPORTER_REVOKE_TESTS_H
#define EXPORTER_REVOKE_TESTS_H

#include "command.h"
#include "fixture.h"
#include "lib/revoked.h"
#include "traffic.h"

FIXTURE(revoke)
{
	VT_LINK;
};

ET_VARIANTS(revoke);

FIXTURE_SETUP(revoke)
{
	if (!et_options.revoke)
		SKIP(return, "no command that revokes memory (--revoke)");
	et_open(_metadata, &self->link, variant->on_demand);
}

FIXTURE_TEARDOWN(revoke)
{
	et_close(_metadata, &self->link);
}

/* Return: the memory is still mapped, and has stream 3. */
static bool mark_memory(struct vt_buf *buf)
{
	return !vt_buf_fill_by_owner(buf, 3);
}

static void expect_marked(struct __test_metadata *_metadata, struct vt_buf *buf)
{
	vt_pattern_fill(buf->shadow, 3, 0, SIZE);
	EXPECT_EQ(0, vt_buf_check_all(buf));
}

TEST_F_TIMEOUT(revoke, at_rest, 120)
{
	bool stays;

	et_expect_access(_metadata, &self->link);
	ASSERT_EQ(0, et_command(et_options.revoke, self->there.mem.fd));
	stays = mark_memory(&self->there);
	et_expect_no_access(_metadata, &self->link);
	if (!variant->on_demand) {
		EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->there));
		EXPECT_EQ(0, vt_keys_not_reused(&self->dev, self->there.mr,
						300));
	}
	/* The exporter has its memory back before the MR is deregistered. */
	EXPECT_EQ(0, vt_counters_balanced(&et_node));
	if (stays)
		expect_marked(_metadata, &self->there);
}

TEST_F_TIMEOUT(revoke, under_traffic, 120)
{
	struct et_traffic traffic = { .link = &self->link };
	bool stays;

	ASSERT_EQ(0, et_traffic_start(&traffic));
	EXPECT_EQ(0, et_traffic_wait(&traffic, 3));
	ASSERT_EQ(0, et_command(et_options.revoke, self->there.mem.fd));
	stays = mark_memory(&self->there);
	EXPECT_EQ(0, et_traffic_wait_end(&traffic));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, et_traffic_stop(&traffic));
	usleep(200000);
	if (stays)
		expect_marked(_metadata, &self->there);
}

#endif
