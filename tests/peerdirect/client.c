// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See client.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../page_size.h"
#include "client.h"
#include "lib/proc.h"

#define MODULE "peerdirect_clients"
#define ORDER "/sys/module/peer_test_mem/parameters/piece_order"
#define SPAN (1UL << 30)
#define PAGE page_size()

uint64_t client_range_offset(const struct client *client)
{
	return client->type->page + 5 * PAGE + 123;
}

/* The range is in at least two pages of the device. */
size_t client_range_length(const struct client *client)
{
	return client->buf.mem.length / 2 + 3 * PAGE;
}

static size_t whole_length(const struct client_type *type)
{
	return type->page > 65536 ? 3 * type->page : 64 * PAGE;
}

/* ---- modules ---- */

int client_load(const char *products)
{
	char params[200];
	int ret = 0;

	if (!vt_module_is_loaded("peer_test_mem"))
		ret = vt_insmod_test("peer_test_mem.ko", NULL);
	if (!ret && vt_module_is_loaded("peerdirect_test"))
		ret = vt_rmmod("peerdirect_test");
	if (!ret && vt_module_is_loaded(MODULE))
		ret = vt_rmmod(MODULE);
	snprintf(params, sizeof(params),
		 "like=%s window_start=%lu window_size=%lu", products,
		 CLIENT_WINDOW, SPAN);
	return ret ? ret : vt_insmod_test(MODULE ".ko", params);
}

int client_unload(void)
{
	int ret = 0;

	if (vt_module_is_loaded(MODULE))
		ret = vt_rmmod(MODULE);
	return ret ? ret : vt_write_file(ORDER, "-1");
}

/* ---- memory ---- */

/* Moves the memory to the same address in the process and for the client. */
static int move_to_window(struct vt_mem *mem)
{
	void *to = (void *)CLIENT_WINDOW;
	__u64 location = CLIENT_WINDOW;

	if (mremap(mem->addr, mem->length, mem->length,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return -errno;
	mem->addr = to;
	return ioctl(mem->fd, PEER_TEST_IOC_PLACE, &location) ? -errno : 0;
}

int client_open_memory(struct client *client)
{
	struct vt_mem *mem = &client->buf.mem;
	int ret = vt_mem_alloc(mem, &client->kind, whole_length(client->type),
			       0);

	if (ret)
		return ret;
	ret = move_to_window(mem);
	if (ret)
		vt_mem_free(mem);
	return ret;
}

int client_open(struct client *client, const struct client_type *type)
{
	char piece_order[12];
	int ret;

	memset(client, 0, sizeof(*client));
	client->type = type;
	client->kind = vt_mem_peerdirect;
	client->kind.name = type->product;
	client->kind.exporter = type->name;
	ret = client_load(type->product);
	snprintf(piece_order, sizeof(piece_order), "%d", type->piece_order);
	if (!ret)
		ret = vt_write_file(ORDER, piece_order);
	if (!ret)
		ret = client_open_memory(client);
	if (ret)
		return ret;
	client->buf.shadow = calloc(1, client->buf.mem.length);
	if (!client->buf.shadow)
		return -ENOMEM;
	vt_buf_fill(&client->buf, 1);
	return ioctl(client->buf.mem.fd, PEER_TEST_IOC_CLEAR) ? -errno : 0;
}

int client_close(struct client *client)
{
	int ret = vt_buf_close(&client->buf);

	return ret ? ret : client_unload();
}

/* ---- recorded calls ---- */

struct peer_test_calls client_calls(const struct client *client,
				    unsigned int range)
{
	struct peer_test_calls calls = { .range = range };

	if (ioctl(client->buf.mem.fd, PEER_TEST_IOC_CALLS, &calls))
		snprintf(calls.calls, sizeof(calls.calls), "errno %d", errno);
	return calls;
}

int client_wait_call(const struct client *client, unsigned int range, char call)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;

	while (!strchr(client_calls(client, range).calls, call)) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(5000);
	}
	return 0;
}

/* Return: the number of removed letters. */
static int remove_letters(char *calls, const char *letters)
{
	int n = 0;
	char *to;

	for (to = calls; *calls; calls++) {
		if (strchr(letters, *calls))
			n++;
		else
			*to++ = *calls;
	}
	*to = 0;
	return n;
}

/*
 * release() is called once: at the end, or anywhere after the invalidation. An
 * invalidation that races with deregistration may call the callback after it.
 */
static bool release_is_valid(const struct client *client, const char *calls)
{
	const char *release = strchr(calls, 'R');

	if (strchr(client->type->missing, 'R'))
		return !release;
	if (!release || strchr(release + 1, 'R'))
		return false;
	return !release[1] || !strcmp(release + 1, "Ii") ||
	       memchr(calls, 'I', release - calls);
}

static bool calls_match(const struct client *client, unsigned int range,
			const char *expected)
{
	struct peer_test_calls actual = client_calls(client, range);
	char want[PEER_TEST_MAX_CALLS];

	snprintf(want, sizeof(want), "%s", expected);
	remove_letters(want, client->type->missing);
	if (remove_letters(want, "R")) {
		if (!release_is_valid(client, actual.calls))
			return false;
		remove_letters(actual.calls, "R");
	}
	return !strcmp(actual.calls, want);
}

/* Retries, because the client may still be unmapping in its own thread. */
int client_check_calls(const struct client *client, unsigned int range,
		       const char *expected)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;

	while (!calls_match(client, range, expected)) {
		if (vt_now_ms() > until) {
			fprintf(stderr, "# %s, range %u: %s, expected %s\n",
				client->type->product, range,
				client_calls(client, range).calls, expected);
			return -EILSEQ;
		}
		usleep(5000);
	}
	return 0;
}

static bool sequence_is_valid(const struct client *client, unsigned int range)
{
	static const char *const by_core[] = {
		"AGDSUP", "AGDUP", "AGdP", "Ag", "A", NULL
	};
	static const char *const by_client[] = { "AGDSF", "AGDF", NULL };
	struct peer_test_calls actual = client_calls(client, range);
	enum client_invalidation invalidation = client->type->invalidation;
	int i;

	if (!release_is_valid(client, actual.calls))
		return false;
	remove_letters(actual.calls, "RIix");
	for (i = 0; by_core[i]; i++)
		if (!strcmp(actual.calls, by_core[i]))
			return true;
	if (invalidation < INVALIDATE_CLIENT_UNMAPS ||
	    remove_letters(actual.calls, "u") > 1 ||
	    remove_letters(actual.calls, "p") > 1)
		return false;
	for (i = 0; by_client[i]; i++)
		if (!strcmp(actual.calls, by_client[i]))
			return true;
	return false;
}

int client_check_sequences(const struct client *client)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	unsigned int ranges = client_calls(client, 0).ranges;
	unsigned int range;
	int ret = 0;

	for (range = 1; range <= ranges; range++) {
		while (!sequence_is_valid(client, range) && vt_now_ms() < until)
			usleep(5000);
		if (sequence_is_valid(client, range))
			continue;
		fprintf(stderr, "# %s, range %u of %u: %s\n",
			client->type->product, range, ranges,
			client_calls(client, range).calls);
		ret = -EILSEQ;
	}
	return ret;
}

unsigned long client_errors(const struct client *client)
{
	static const char *const names[] = {
		"order", "table", "device", "contract", "argument"
	};
	struct peer_test_stats stats = { { 0 } };
	unsigned long errors = 0;
	__u64 n;
	int i;

	if (ioctl(client->buf.mem.fd, PEER_TEST_IOC_STATS, &stats))
		return 1;
	for (i = 0; i < 5; i++) {
		n = stats.count[PEER_TEST_ERR_ORDER + i];
		if (n)
			fprintf(stderr, "# %s: %llu errors: %s\n",
				client->type->product, (unsigned long long)n,
				names[i]);
		errors += n;
	}
	return errors;
}
