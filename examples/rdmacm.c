// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Example: librdmacm with video memory. An RDMA WRITE, a READ and a SEND between
 * two processes; all bytes are compared. The server sends address and keys of its
 * memory as private data of rdma_accept(). See docs/applications.md.
 *
 * usage: rdmacm server|client ADDRESS
 */
#include <string.h>

#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>

#include "vram.h"

#define SIZE (4 << 20)
#define PORT "7472"

/* Private data of rdma_accept(), in the byte order of the host. */
struct window {
	uint64_t addr;
	uint32_t write_key;
	uint32_t read_key;
};

static struct rdma_cm_id *new_endpoint(char *address, int flags)
{
	struct rdma_addrinfo hints = { .ai_flags = flags,
				       .ai_port_space = RDMA_PS_TCP };
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = 4, .max_recv_wr = 4,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_all = 1,
	};
	struct rdma_addrinfo *info;
	struct rdma_cm_id *id;

	if (rdma_getaddrinfo(address, PORT, &hints, &info))
		err(1, "rdma_getaddrinfo");
	if (rdma_create_ep(&id, info, NULL, &attr))
		err(1, "rdma_create_ep");
	rdma_freeaddrinfo(info);
	return id;
}

static struct ibv_mr *need(struct ibv_mr *mr)
{
	if (!mr)
		err(1, "registering video memory");
	return mr;
}

static void completed(int got, struct ibv_wc *wc, const char *what)
{
	if (got < 0)
		err(1, "%s", what);
	if (wc->status)
		errx(1, "%s: %s", what, ibv_wc_status_str(wc->status));
}

static void sent(struct rdma_cm_id *id, int posted, const char *what)
{
	struct ibv_wc wc;

	if (posted)
		err(1, "%s", what);
	completed(rdma_get_send_comp(id, &wc), &wc, what);
}

static void serve(char *address)
{
	struct rdma_cm_id *listener = new_endpoint(address, RAI_PASSIVE), *id;
	struct rdma_conn_param param = { .responder_resources = 1 };
	void *buffer = vram_map(SIZE);
	struct window window = { .addr = (uintptr_t)buffer };
	struct ibv_mr *messages, *writes, *reads;
	struct ibv_wc wc;

	if (rdma_listen(listener, 1) || rdma_get_request(listener, &id))
		err(1, "listening");
	messages = need(rdma_reg_msgs(id, buffer, SIZE));
	writes = need(rdma_reg_write(id, buffer, SIZE));
	reads = need(rdma_reg_read(id, buffer, SIZE));
	window.write_key = writes->rkey;
	window.read_key = reads->rkey;
	param.private_data = &window;
	param.private_data_len = sizeof(window);
	if (rdma_post_recv(id, NULL, buffer, SIZE, messages) ||
	    rdma_accept(id, &param))
		err(1, "accepting");
	completed(rdma_get_recv_comp(id, &wc), &wc, "receiving");
	vram_check("server, received", buffer, SIZE, 2);

	rdma_disconnect(id);
	rdma_dereg_mr(reads);
	rdma_dereg_mr(writes);
	rdma_dereg_mr(messages);
	rdma_destroy_ep(id);
	rdma_destroy_ep(listener);
}

static void transfers(struct rdma_cm_id *id, const struct window *window)
{
	void *from = vram_map(SIZE), *to = vram_map(SIZE);
	struct ibv_mr *from_mr = need(rdma_reg_msgs(id, from, SIZE));
	struct ibv_mr *to_mr = need(rdma_reg_msgs(id, to, SIZE));

	vram_fill(from, SIZE, 1);
	sent(id, rdma_post_write(id, NULL, from, SIZE, from_mr, 0, window->addr,
				 window->write_key), "writing");
	sent(id, rdma_post_read(id, NULL, to, SIZE, to_mr, 0, window->addr,
				window->read_key), "reading");
	vram_check("client, written and read back", to, SIZE, 1);
	vram_fill(from, SIZE, 2);
	sent(id, rdma_post_send(id, NULL, from, SIZE, from_mr, 0), "sending");
	vram_check("client, sent", from, SIZE, 2);

	rdma_disconnect(id);
	rdma_dereg_mr(to_mr);
	rdma_dereg_mr(from_mr);
}

static void request(char *address)
{
	struct rdma_conn_param param = { .initiator_depth = 1,
					 .retry_count = 7,
					 .rnr_retry_count = 7 };
	struct rdma_cm_id *id = new_endpoint(address, 0);
	struct window window;

	if (rdma_connect(id, &param))
		err(1, "connecting");
	if (id->event->param.conn.private_data_len < sizeof(window))
		errx(1, "the server is not 'rdmacm server': no private data");
	memcpy(&window, id->event->param.conn.private_data, sizeof(window));
	transfers(id, &window);
	rdma_destroy_ep(id);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "server"))
		serve(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "client"))
		request(argv[2]);
	else
		errx(2, "usage: rdmacm server|client ADDRESS");
	return 0;
}
