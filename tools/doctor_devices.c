// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The RDMA devices, and MRs of device memory with each of them. See doctor.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

/* Bytes of the MR that is tried. */
#define LENGTH (64 * 1024)
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		IBV_ACCESS_REMOTE_WRITE)

/* ---- a device --------------------------------------------------------- */

/* Return: the index of a GID for RoCE v2 over IPv4, or -1. */
static int find_gid(struct ibv_context *context, int count)
{
	static const uint8_t ipv4[12] = { [10] = 0xff, [11] = 0xff };
	struct ibv_gid_entry gid;
	int i;

	for (i = 0; i < count; i++)
		if (!ibv_query_gid_ex(context, 1, i, &gid, 0) &&
		    gid.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(gid.gid.raw, ipv4, sizeof(ipv4)))
			return i;
	return -1;
}

static void check_port(struct findings *findings, const char *name,
		       struct ibv_context *context)
{
	struct ibv_port_attr port;
	int gid;

	if (ibv_query_port(context, 1, &port)) {
		found(findings, name, BAD, "its port cannot be queried: %s",
		      strerror(errno));
	} else if (port.state != IBV_PORT_ACTIVE) {
		found(findings, name, BAD, "its port is not active (%s)",
		      ibv_port_state_str(port.state));
		advise(findings, "ip link set up its network interface ('rdma link')");
	} else if (port.link_layer != IBV_LINK_LAYER_ETHERNET) {
		found(findings, name, GOOD, "active");
	} else {
		gid = find_gid(context, port.gid_tbl_len);
		if (gid >= 0) {
			found(findings, name, GOOD, "active; GID index %d is RoCE v2 "
			      "with IPv4", gid);
			return;
		}
		found(findings, name, NOTE, "active, but has no GID for RoCE v2 "
		      "with IPv4");
		advise(findings, "ip address add ADDRESS/24 dev INTERFACE");
	}
}

static void check_on_demand(struct findings *findings, const char *name,
			    struct ibv_context *context)
{
	struct ibv_device_attr_ex attr = { .comp_mask = 0 };

	if (ibv_query_device_ex(context, NULL, &attr))
		return;
	if (attr.odp_caps.general_caps & IBV_ODP_SUPPORT)
		found(findings, name, GOOD, "on-demand MRs%s",
		      attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT ?
		      ", also of the whole address space" : "");
	else
		found(findings, name, NOTE, "no on-demand MRs");
}

/* A provider without the function returns EOPNOTSUPP before it looks at the arguments. */
static void check_provider(struct findings *findings, const char *name,
			   struct ibv_pd *pd)
{
	struct ibv_mr *mr = ibv_reg_dmabuf_mr(pd, 0, LENGTH, 0, -1, ACCESS);

	if (mr) {
		ibv_dereg_mr(mr);
	} else if (errno == EOPNOTSUPP) {
		found(findings, name, NOTE, "no ibv_reg_dmabuf_mr()");
		advise(findings, "Soft-RoCE has it, and ibv_advise_mr() and ibv_rereg_mr(), "
		       "after 'peermem-provider on'");
		return;
	}
	found(findings, name, GOOD, "ibv_reg_dmabuf_mr()");
}

/* ---- MRs of device memory ---------------------------------------------- */

/* Return: 0 or the errno of a registration. */
static int try_mr(struct ibv_pd *pd, void *addr, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, LENGTH, access);

	return mr ? ibv_dereg_mr(mr) : errno;
}

static void check_mrs(struct findings *findings, const char *part,
		      struct ibv_pd *pd, void *addr)
{
	struct peermem_query_result result;
	int pinned = try_mr(pd, addr, ACCESS);
	int on_demand = try_mr(pd, addr, ACCESS | IBV_ACCESS_ON_DEMAND);

	if (!pinned && !on_demand) {
		found(findings, part, GOOD, "can be registered, pinned and on demand");
		return;
	}
	found(findings, part, pinned && on_demand ? BAD : NOTE,
	      "cannot be registered %s%s%s: %s", pinned ? "pinned" : "",
	      pinned && on_demand ? " or " : "", on_demand ? "on demand" : "",
	      strerror(pinned ? pinned : on_demand));
	if (peermem_query(pd->context, addr, LENGTH, ACCESS, &result))
		return;
	if (pinned && result.pinned.status)
		advise(findings, "%s", peermem_status_str(result.pinned.status));
	else if (on_demand && result.on_demand.status)
		advise(findings, "%s", peermem_status_str(result.on_demand.status));
}

/* A node that cannot be opened has a finding of its own (doctor_modules.c). */
static void check_node_mrs(struct findings *findings, const char *name,
			   struct ibv_pd *pd, const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);
	char part[32];
	void *addr;

	if (fd < 0)
		return;
	snprintf(part, sizeof(part), "%s, %s", name, strrchr(node, '/') + 1);
	addr = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (addr == MAP_FAILED) {
		found(findings, part, BAD, "no memory: %s", strerror(errno));
		return;
	}
	check_mrs(findings, part, pd, addr);
	munmap(addr, LENGTH);
}

static void check_all_nodes(struct findings *findings, const char *name,
			    struct ibv_pd *pd)
{
	glob_t nodes;
	size_t i;

	if (!glob(EXPORTER_NODES, GLOB_BRACE, NULL, &nodes))
		for (i = 0; i < nodes.gl_pathc; i++)
			check_node_mrs(findings, name, pd, nodes.gl_pathv[i]);
	globfree(&nodes);
}

/* ---- all devices ------------------------------------------------------- */

static void check_device(struct findings *findings, struct ibv_device *device)
{
	const char *name = ibv_get_device_name(device);
	struct ibv_context *context = ibv_open_device(device);
	struct ibv_pd *pd;

	if (!context) {
		found(findings, name, BAD, "cannot be opened: %s", strerror(errno));
		advise(findings, "check the rights of /dev/infiniband/uverbs*");
		return;
	}
	check_port(findings, name, context);
	check_on_demand(findings, name, context);
	pd = ibv_alloc_pd(context);
	if (pd) {
		check_provider(findings, name, pd);
		check_all_nodes(findings, name, pd);
		ibv_dealloc_pd(pd);
	}
	ibv_close_device(context);
}

void check_devices(struct findings *findings)
{
	int count = 0, i;
	struct ibv_device **list = ibv_get_device_list(&count);

	if (!count) {
		found(findings, "RDMA devices", BAD, "none");
		advise(findings, "rdma link add rxe0 type rxe netdev INTERFACE");
	}
	for (i = 0; i < count; i++)
		check_device(findings, list[i]);
	if (list)
		ibv_free_device_list(list);
}
