/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Unloading of the exporter while its memory is registered. It is refused, or it ends all
 * access. The exporter can be loaded again.
 */
#ifndef EXPORTER_MODULE_TESTS_H
#define EXPORTER_MODULE_TESTS_H

#include "command.h"
#include "fixture.h"

FIXTURE(module)
{
	VT_LINK;
};

ET_VARIANTS(module);

FIXTURE_SETUP(module)
{
	if (!et_options.unload)
		SKIP(return, "no commands that unload and load (--unload, --load)");
	et_open(_metadata, &self->link, variant->on_demand);
}

FIXTURE_TEARDOWN(module)
{
	et_close(_metadata, &self->link);
}

static void load(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, et_command(et_options.load, -1));
	ASSERT_EQ(0, et_node_wait());
}

TEST_F_TIMEOUT(module, unloaded_while_mapped, 180)
{
	et_expect_access(_metadata, &self->link);
	if (et_command(et_options.unload, -1)) {
		et_expect_access(_metadata, &self->link);
		return;
	}
	et_expect_no_access(_metadata, &self->link);
	load(_metadata);
}

/* The file is closed and the memory is unmapped. The MR is still there. */
TEST_F_TIMEOUT(module, unloaded_while_registered, 180)
{
	struct vt_link fresh;
	int status;

	et_expect_access(_metadata, &self->link);
	vt_mem_free(&self->there.mem);
	status = et_command(et_options.unload, -1);
	et_expect_no_access(_metadata, &self->link);
	EXPECT_EQ(0, ibv_dereg_mr(self->there.mr));
	self->there.mr = NULL;
	/* It was refused: nothing uses the exporter now. */
	if (status)
		ASSERT_EQ(0, et_command(et_options.unload, -1));
	load(_metadata);
	memset(&fresh, 0, sizeof(fresh));
	et_open(_metadata, &fresh, variant->on_demand);
	et_expect_access(_metadata, &fresh);
	et_close(_metadata, &fresh);
}

#endif
