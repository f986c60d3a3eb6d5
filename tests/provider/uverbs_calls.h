/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Counts the calls of libibverbs into the kernel. A program that links uverbs_calls.c has
 * its own ioctl(), which counts a call and passes it on. A test can thus distinguish an
 * error of the kernel from one of libibverbs itself.
 */
#ifndef UVERBS_CALLS_H
#define UVERBS_CALLS_H

enum uverbs_call {
	UVERBS_CALL_ADVISE_MR,
	UVERBS_CALL_REG_DMABUF_MR,
	UVERBS_CALL_REREG_MR,
	UVERBS_CALLS
};

/* Return: the number of calls since this function was last called for @call. */
unsigned int uverbs_calls(enum uverbs_call call);

/* Return: the result of the last call of this kind: 0 or an errno. */
int uverbs_call_result(enum uverbs_call call);

#endif
