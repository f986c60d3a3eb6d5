/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A test of a fixture makes no sense for a variant. Such a point is not counted
 * (tests/tap.py): what is skipped is only what this machine or kernel cannot do.
 */
#ifndef TESTS_APPLIES_H
#define TESTS_APPLIES_H

#define DOES_NOT_APPLY(statement, reason) SKIP(statement, "n/a: " reason)

#endif
