/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What libibverbs asks the kernel for, on its way there: a program that links
 * asked.c has its own ioctl(), which counts and passes on. So a test can tell
 * the kernel's answer from one that libibverbs gives by itself.
 */
#ifndef ASKED_H
#define ASKED_H

enum asked {
	ASKED_ADVISE,
	ASKED_DMABUF,
	ASKED_REREG,
	ASKED_KINDS
};

/* How often, since the last time that it was told. */
unsigned int asked(enum asked what);

/* What the kernel said the last time: 0 or an errno. */
int asked_answer(enum asked what);

#endif
