// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See client.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "lib/proc.h"

#define MODULE "peerdirect_clients"
#define ORDER "/sys/module/peer_test_mem/parameters/piece_order"
#define SPAN (1UL << 30)
#define PAGE 4096UL

uint64_t client_middle(const struct client *client)
{
	return client->like->page + 5 * PAGE + 123;
}

/* Parts of two pages of the device, at least. */
size_t client_length(const struct client *client)
{
	return client->buf.mem.length / 2 + 3 * PAGE;
}

static size_t whole_length(const struct client_kind *like)
{
	return like->page > 65536 ? 3 * like->page : 4 * 65536UL;
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

/* Where the device has it the process has it, too. */
static int move_to_window(struct vt_mem *mem)
{
	void *to = (void *)CLIENT_WINDOW;
	__u64 place = CLIENT_WINDOW;

	if (mremap(mem->addr, mem->length, mem->length,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return -errno;
	mem->addr = to;
	return ioctl(mem->fd, PEER_TEST_IOC_PLACE, &place) ? -errno : 0;
}

int client_open_memory(struct client *client)
{
	struct vt_mem *mem = &client->buf.mem;
	int ret = vt_mem_alloc(mem, &client->kind, whole_length(client->like),
			       0);

	if (ret)
		return ret;
	ret = move_to_window(mem);
	if (ret)
		vt_mem_free(mem);
	return ret;
}

int client_open(struct client *client, const struct client_kind *like)
{
	char order[12];
	int ret;

	memset(client, 0, sizeof(*client));
	client->like = like;
	client->kind = vt_mem_peerdirect;
	client->kind.name = like->product;
	client->kind.client = like->name;
	ret = client_load(like->product);
	snprintf(order, sizeof(order), "%d", like->order);
	if (!ret)
		ret = vt_write_file(ORDER, order);
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

/* ---- notes ---- */

struct peer_test_calls client_calls(const struct client *client,
				    unsigned int range)
{
	struct peer_test_calls calls = { .range = range };

	if (ioctl(client->buf.mem.fd, PEER_TEST_IOC_CALLS, &calls))
		snprintf(calls.calls, sizeof(calls.calls), "errno %d", errno);
	return calls;
}

int client_wait_for(const struct client *client, unsigned int range, char call)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;

	while (!strchr(client_calls(client, range).calls, call)) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(5000);
	}
	return 0;
}

/* Takes the letters out. Return: how many there were. */
static int strip(char *calls, const char *letters)
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
 * release() once at the end, or anywhere after the memory went. A client that was
 * about to tell of that when the end came tells of it late.
 */
static bool is_released(const struct client *client, const char *calls)
{
	const char *release = strchr(calls, 'R');

	if (strchr(client->like->lacks, 'R'))
		return !release;
	if (!release || strchr(release + 1, 'R'))
		return false;
	return !release[1] || !strcmp(release + 1, "Ii") ||
	       memchr(calls, 'I', release - calls);
}

static bool is_expected(const struct client *client, unsigned int range,
			const char *expected)
{
	struct peer_test_calls have = client_calls(client, range);
	char want[PEER_TEST_MAX_CALLS];

	snprintf(want, sizeof(want), "%s", expected);
	strip(want, client->like->lacks);
	if (strip(want, "R")) {
		if (!is_released(client, have.calls))
			return false;
		strip(have.calls, "R");
	}
	return !strcmp(have.calls, want);
}

/* What a client does by itself it may still be at. */
int client_calls_are(const struct client *client, unsigned int range,
		     const char *expected)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;

	while (!is_expected(client, range, expected)) {
		if (vt_now_ms() > until) {
			fprintf(stderr, "# %s, range %u: %s, expected %s\n",
				client->like->product, range,
				client_calls(client, range).calls, expected);
			return -EILSEQ;
		}
		usleep(5000);
	}
	return 0;
}

static bool is_legal(const struct client *client, unsigned int range)
{
	static const char *const by_core[] = {
		"AGDSUP", "AGDUP", "AGdP", "Ag", "A", NULL
	};
	static const char *const by_itself[] = { "AGDSF", "AGDF", NULL };
	struct peer_test_calls have = client_calls(client, range);
	enum client_back back = client->like->back;
	int i;

	if (!is_released(client, have.calls))
		return false;
	strip(have.calls, "RIix");
	for (i = 0; by_core[i]; i++)
		if (!strcmp(have.calls, by_core[i]))
			return true;
	if (back < BACK_BY_ITSELF || strip(have.calls, "u") > 1 ||
	    strip(have.calls, "p") > 1)
		return false;
	for (i = 0; by_itself[i]; i++)
		if (!strcmp(have.calls, by_itself[i]))
			return true;
	return false;
}

int client_calls_legal(const struct client *client)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	unsigned int ranges = client_calls(client, 0).ranges;
	unsigned int range;
	int ret = 0;

	for (range = 1; range <= ranges; range++) {
		while (!is_legal(client, range) && vt_now_ms() < until)
			usleep(5000);
		if (is_legal(client, range))
			continue;
		fprintf(stderr, "# %s, range %u of %u: %s\n",
			client->like->product, range, ranges,
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
			fprintf(stderr, "# %s: %llu times wrong: %s\n",
				client->like->product, (unsigned long long)n,
				names[i]);
		errors += n;
	}
	return errors;
}
