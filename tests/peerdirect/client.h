/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * PeerDirect clients of a product (tests/kmod/clients.h), and memory of them.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>

#include "../kmod/peer_test.h"
#include "lib/buf.h"
#include "lib/counters.h"

/* How a client invalidates memory. */
enum client_invalidation {
	INVALIDATE_NEVER,
	/* The core unmaps before its callback returns. */
	INVALIDATE_CORE_UNMAPS,
	/* The client unmaps after the callback. */
	INVALIDATE_CLIENT_UNMAPS,
	/* The same, and it ignores the core's unmap calls in the callback. */
	INVALIDATE_IGNORES_UNMAP,
};

/**
 * struct client_type - a product
 * @product:       name for the test module
 * @name:          of the client that owns the memory
 * @invalidation:  see above
 * @missing:       optional callbacks that it lacks: "S" get_page_size(), "R"
 *                 release()
 * @page:          page size of the device, in bytes
 * @reported_page: result of get_page_size()
 * @piece_order:   allocation order of its memory; -1: various
 * @second_client: it has a second client, which is asked after this one
 * @holds_module:  the module cannot be unloaded while memory is registered
 */
struct client_type {
	const char *product;
	const char *name;
	enum client_invalidation invalidation;
	const char *missing;
	unsigned long page;
	unsigned long reported_page;
	int piece_order;
	bool second_client;
	bool holds_module;
};

/**
 * struct client - a loaded product, and memory of it
 * @type: the product
 * @kind: kind of the memory, for the helpers of tests/verbs/lib
 * @buf:  the memory; @buf.mr is unused
 */
struct client {
	const struct client_type *type;
	struct vt_mem_kind kind;
	struct vt_buf buf;
};

/* Address of the memory, in the process and for the client. */
#define CLIENT_WINDOW 0x200000000000UL
/* The range that tests register. It starts and ends inside of pages. */
uint64_t client_range_offset(const struct client *client);
size_t client_range_length(const struct client *client);

/*
 * Loads the modules, with the clients of "product" or "product,product". Return:
 * 0, -errno, or an exit status.
 */
int client_load(const char *products);
int client_unload(void);

/* Return: 0 or -errno. */
int client_open(struct client *client, const struct client_type *type);
int client_close(struct client *client);
/* Allocates @buf.mem only, for a child process. */
int client_open_memory(struct client *client);

/* Return: the calls recorded so far for range number @range. */
struct peer_test_calls client_calls(const struct client *client,
				    unsigned int range);
/* Waits until a call is recorded. Return: 0 or -ETIMEDOUT. */
int client_wait_call(const struct client *client, unsigned int range, char call);

/*
 * Waits until the recorded calls are @expected, without callbacks that the client
 * lacks. After an invalidation, release() is valid at any later position.
 * Return: 0, or -EILSEQ, with a message on stderr.
 */
int client_check_calls(const struct client *client, unsigned int range,
		       const char *expected);
/*
 * Checks that the calls for each range are a valid sequence from acquire() to
 * release(), with any race. Return: 0, or -EILSEQ, with a message on stderr.
 */
int client_check_sequences(const struct client *client);

/* Return: the number of errors that the client has counted; prints them. */
unsigned long client_errors(const struct client *client);

#endif
