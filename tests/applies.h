/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Skips a test case that makes no sense for a variant of its fixture. tests/tap.py
 * does not count it as skipped: a skipped test case is one that this machine or
 * kernel cannot run.
 */
#ifndef TESTS_APPLIES_H
#define TESTS_APPLIES_H

#define DOES_NOT_APPLY(statement, reason) SKIP(statement, "n/a: " reason)

#endif
