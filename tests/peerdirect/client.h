/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A product whose PeerDirect clients are registered (tests/kmod/clients.h), and
 * memory of it.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>

#include "../kmod/peer_test.h"
#include "lib/buf.h"
#include "lib/counters.h"

/* What happens when the memory goes. */
enum client_back {
	BACK_NEVER,		/* it does not */
	BACK_BY_CORE,		/* the core unmaps before its callback returns */
	BACK_BY_ITSELF,		/* the client unmaps when that has returned */
	BACK_WITHIN,		/* likewise, though the core calls it, within */
};

/**
 * struct client_kind - a product
 * @product: as the module knows it
 * @name:   of the client that has the memory
 * @back:   see above
 * @lacks:  of the optional functions: "S" get_page_size(), "R" release()
 * @page:   of the device
 * @counted: page size that the client says
 * @order:  of the pieces that its memory comes in; -1: of different sizes
 * @two:    it has another client, too, which is asked after this one
 * @stays:  the module cannot go while memory is registered
 */
struct client_kind {
	const char *product;
	const char *name;
	enum client_back back;
	const char *lacks;
	unsigned long page;
	unsigned long counted;
	int order;
	bool two;
	bool stays;
};

/**
 * struct client - a product, loaded, and memory of it
 * @kind: of this memory, for the helpers of tests/verbs/lib
 * @buf:  not registered
 */
struct client {
	const struct client_kind *like;
	struct vt_mem_kind kind;
	struct vt_buf buf;
};

/* Where the memory is; and its middle, which begins and ends within pages. */
#define CLIENT_WINDOW 0x200000000000UL
uint64_t client_middle(const struct client *client);
size_t client_length(const struct client *client);

/* Modules with the clients of "product" or "product,product". 0 or an error. */
int client_load(const char *products);
int client_unload(void);

/* Return: 0 or -errno. */
int client_open(struct client *client, const struct client_kind *like);
int client_close(struct client *client);
/* Memory alone, in a process of its own; @buf is then what client_open() made. */
int client_open_memory(struct client *client);

/* The notes about range @range, as they are now. */
struct peer_test_calls client_calls(const struct client *client,
				    unsigned int range);
/* Waits until a letter is there. Return: 0 or -ETIMEDOUT. */
int client_wait_for(const struct client *client, unsigned int range, char call);

/*
 * @expected, less what the client lacks. If memory went release() may have come at
 * any time from then on: it is looked for, and left out of the comparison.
 * Return: 0, or -EILSEQ, after it said on stderr what is wrong.
 */
int client_calls_are(const struct client *client, unsigned int range,
		     const char *expected);
/* Of all ranges: are these the calls for a range that came and went, whatever met? */
int client_calls_legal(const struct client *client);

/* All errors that the client has counted, and says so on stderr. */
unsigned long client_errors(const struct client *client);

#endif
