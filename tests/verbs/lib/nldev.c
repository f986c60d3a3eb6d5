// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See nldev.h. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <rdma/rdma_netlink.h>

#include "nldev.h"

/* What to do with the messages that answer a request. */
struct reader {
	const char *device;
	bool found;
	uint32_t index;		/* of the device */
	vt_nldev_report *report;
	void *arg;
};

/* An entry has a name and a number; all else that is nested has entries. */
static void report_entries(const struct reader *reader, struct nlattr *entry)
{
	const char *name = NULL;
	struct nlattr *attr;
	int left;

	nla_for_each_nested(attr, entry, left) {
		switch (nla_type(attr)) {
		case RDMA_NLDEV_ATTR_RES_SUMMARY:
		case RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY:
		case RDMA_NLDEV_ATTR_RES_MR:
		case RDMA_NLDEV_ATTR_RES_MR_ENTRY:
		case RDMA_NLDEV_ATTR_STAT_HWCOUNTERS:
		case RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY:
			report_entries(reader, attr);
			break;
		case RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_NAME:
		case RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME:
			name = nla_get_string(attr);
			break;
		case RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_CURR:
		case RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE:
			reader->report(name ? name : "", nla_get_u64(attr), reader->arg);
			break;
		}
	}
}

static int read_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct reader *reader = arg;
	struct nlattr *name = nlmsg_find_attr(header, 0, RDMA_NLDEV_ATTR_DEV_NAME);
	struct nlattr *index = nlmsg_find_attr(header, 0, RDMA_NLDEV_ATTR_DEV_INDEX);
	struct nlattr *attr;
	int left;

	if (!name || !index)
		return NL_SKIP;
	if (reader->device && strcmp(reader->device, nla_get_string(name)))
		return NL_OK;
	reader->found = true;
	reader->index = nla_get_u32(index);
	if (!reader->report)
		return NL_OK;
	nlmsg_for_each_attr(attr, header, 0, left)
		if (nla_type(attr) == RDMA_NLDEV_ATTR_RES_SUMMARY ||
		    nla_type(attr) == RDMA_NLDEV_ATTR_RES_MR)
			report_entries(reader, attr);
	return NL_OK;
}

/* Sends @request, whose reference it drops, and reads what answers it. */
static int ask(struct nl_msg *request, struct reader *reader)
{
	struct nl_sock *sock = nl_socket_alloc();
	int ret = -ENOMEM;

	if (sock && request) {
		nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, read_message, reader);
		ret = nl_connect(sock, NETLINK_RDMA);
		if (!ret)
			ret = nl_send_auto(sock, request);
		if (ret >= 0)
			ret = nl_recvmsgs_default(sock);
		/* The library has error codes of its own. */
		if (ret < 0)
			ret = -EIO;
		else
			ret = reader->found || !reader->device ? 0 : -ENODEV;
	}
	nl_socket_free(sock);
	nlmsg_free(request);
	return ret;
}

static struct nl_msg *dump_request(int command)
{
	return nlmsg_alloc_simple(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command), NLM_F_DUMP);
}

int vt_nldev_resources(const char *device, vt_nldev_report *report, void *arg)
{
	struct reader reader = { .device = device, .report = report, .arg = arg };

	return ask(dump_request(RDMA_NLDEV_CMD_RES_GET), &reader);
}

int vt_nldev_mr_counters(const char *device, vt_nldev_report *report, void *arg)
{
	struct reader reader = { .device = device };
	struct nl_msg *request;
	int ret = ask(dump_request(RDMA_NLDEV_CMD_GET), &reader);

	if (ret)
		return ret;
	request = dump_request(RDMA_NLDEV_CMD_STAT_GET);
	if (request && (nla_put_u32(request, RDMA_NLDEV_ATTR_DEV_INDEX, reader.index) ||
			nla_put_u32(request, RDMA_NLDEV_ATTR_STAT_RES,
				    RDMA_NLDEV_ATTR_RES_MR))) {
		nlmsg_free(request);
		request = NULL;
	}
	reader.report = report;
	reader.arg = arg;
	return ask(request, &reader);
}
