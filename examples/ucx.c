// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Example: UCX (UCP) with video memory. Put, get and a tagged message between two
 * workers of one process; all bytes are compared. See docs/applications.md.
 *
 * usage: ucx [odp]      odp: map the memory so that UCX may register on demand
 */
#include <string.h>

#include <ucp/api/ucp.h>

#include "vram.h"

#define SIZE (4 << 20)

static ucp_context_h context;
static ucp_worker_h near, far;

static void need(ucs_status_t status, const char *what)
{
	if (status != UCS_OK)
		errx(1, "%s: %s", what, ucs_status_string(status));
}

static void wait_for(ucs_status_ptr_t request, const char *what)
{
	ucs_status_t status = UCS_PTR_STATUS(request);

	if (UCS_PTR_IS_PTR(request)) {
		do {
			ucp_worker_progress(near);
			ucp_worker_progress(far);
			status = ucp_request_check_status(request);
		} while (status == UCS_INPROGRESS);
		ucp_request_free(request);
	}
	need(status, what);
}

static ucp_worker_h new_worker(void)
{
	ucp_worker_params_t params = { 0 };
	ucp_worker_h worker;

	need(ucp_worker_create(context, &params, &worker), "worker");
	return worker;
}

static ucp_ep_h connect_near_to_far(void)
{
	ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS,
	};
	ucp_address_t *address;
	size_t length;
	ucp_ep_h ep;

	need(ucp_worker_get_address(far, &address, &length), "address");
	params.address = address;
	need(ucp_ep_create(near, &params, &ep), "endpoint");
	ucp_worker_release_address(far, address);
	return ep;
}

static ucp_mem_h map(void *addr, unsigned int flags)
{
	ucp_mem_map_params_t params = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS |
			      UCP_MEM_MAP_PARAM_FIELD_LENGTH |
			      UCP_MEM_MAP_PARAM_FIELD_FLAGS,
		.address = addr, .length = SIZE, .flags = flags,
	};
	ucp_mem_h memory;

	need(ucp_mem_map(context, &params, &memory), "ucp_mem_map");
	return memory;
}

static ucp_rkey_h remote_key(ucp_ep_h ep, ucp_mem_h memory)
{
	ucp_rkey_h rkey;
	size_t size;
	void *packed;

	need(ucp_rkey_pack(context, memory, &packed, &size), "packing a key");
	need(ucp_ep_rkey_unpack(ep, packed, &rkey), "unpacking a key");
	ucp_rkey_buffer_release(packed);
	return rkey;
}

static void put_and_get(ucp_ep_h ep, unsigned int flags)
{
	char *ours = vram_map(SIZE), *theirs = vram_map(SIZE);
	ucp_mem_h memory = map(ours, flags), remote = map(theirs, flags);
	ucp_rkey_h rkey = remote_key(ep, remote);
	ucp_request_param_t local = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_MEMH, .memh = memory,
	};
	ucp_request_param_t none = { 0 };
	uint64_t at = (uintptr_t)theirs;

	vram_fill(ours, SIZE, 1);
	wait_for(ucp_put_nbx(ep, ours, SIZE, at, rkey, &local), "put");
	wait_for(ucp_ep_flush_nbx(ep, &none), "flush");
	vram_check("put from", ours, SIZE, 1);
	vram_check("put to", theirs, SIZE, 1);

	vram_fill(theirs, SIZE, 2);
	wait_for(ucp_get_nbx(ep, ours, SIZE, at, rkey, &local), "get");
	vram_check("got from", theirs, SIZE, 2);
	vram_check("got to", ours, SIZE, 2);

	ucp_rkey_destroy(rkey);
	ucp_mem_unmap(context, remote);
	ucp_mem_unmap(context, memory);
}

/* Message buffers need ucp_mem_map() only to be registered on demand. */
static void message(ucp_ep_h ep, unsigned int flags)
{
	char *from = vram_map(SIZE), *to = vram_map(SIZE);
	ucp_mem_h mapped[2] = { 0 };
	ucp_request_param_t none = { 0 };
	ucs_status_ptr_t receive;

	if (flags) {
		mapped[0] = map(from, flags);
		mapped[1] = map(to, flags);
	}
	vram_fill(from, SIZE, 3);
	receive = ucp_tag_recv_nbx(far, to, SIZE, 0, 0, &none);
	wait_for(ucp_tag_send_nbx(ep, from, SIZE, 0, &none), "send");
	wait_for(receive, "receive");
	vram_check("sent from", from, SIZE, 3);
	vram_check("received in", to, SIZE, 3);
	if (flags) {
		ucp_mem_unmap(context, mapped[1]);
		ucp_mem_unmap(context, mapped[0]);
	}
}

int main(int argc, char **argv)
{
	unsigned int flags = argc > 1 && !strcmp(argv[1], "odp") ?
				     UCP_MEM_MAP_NONBLOCK : 0;
	ucp_params_t params = {
		.field_mask = UCP_PARAM_FIELD_FEATURES,
		.features = UCP_FEATURE_RMA | UCP_FEATURE_TAG,
	};
	ucp_ep_h ep;

	need(ucp_init(&params, NULL, &context), "ucp_init");
	near = new_worker();
	far = new_worker();
	ep = connect_near_to_far();
	put_and_get(ep, flags);
	message(ep, flags);

	ucp_worker_destroy(near);
	ucp_worker_destroy(far);
	ucp_cleanup(context);
	return 0;
}
