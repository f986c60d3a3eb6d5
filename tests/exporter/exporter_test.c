// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem-exporter-test: tests an exporter through its device node, over Soft-RoCE. See
 * options.c for the usage, and docs/exporter-guide.md.
 */
#include "fixture.h"

#include "claim_tests.h"
#include "data_tests.h"
#include "dma_tests.h"
#include "end_tests.h"
#include "module_tests.h"
#include "move_tests.h"
#include "revoke_tests.h"

int main(int argc, char **argv)
{
	et_options_parse(&argc, argv);
	if (et_node_probe())
		return 1;
	return test_harness_run(argc, argv);
}
