// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Counts the objects of all RDMA devices, as "rdma resource show" does. Running
 * that program would receive_counts longer than the rest of the test.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rdma/rdma_netlink.h>

#include "state.h"

#define TYPE(attr) ((attr)->nla_type & NLA_TYPE_MASK)

static const struct nlattr *first(const void *data)
{
	return data;
}

static const struct nlattr *next(const struct nlattr *attr)
{
	return (const void *)((const char *)attr + NLA_ALIGN(attr->nla_len));
}

static const void *payload(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

static const void *end_of(const struct nlattr *attr)
{
	return (const char *)attr + attr->nla_len;
}

/* Adds up the counters in nested attributes. */
static void add_counts(const void *data, const void *end, uint64_t *count)
{
	const struct nlattr *attr;

	for (attr = first(data);
	     (const char *)attr + NLA_HDRLEN <= (const char *)end &&
	     attr->nla_len >= NLA_HDRLEN; attr = next(attr)) {
		switch (TYPE(attr)) {
		case RDMA_NLDEV_ATTR_RES_SUMMARY:
		case RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY:
			add_counts(payload(attr), end_of(attr), count);
			break;
		case RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_CURR:
			*count += *(const uint64_t *)payload(attr);
			break;
		}
	}
}

static int send_request(int netlink)
{
	struct nlmsghdr request = {
		.nlmsg_len = sizeof(request),
		.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV,
					       RDMA_NLDEV_CMD_RES_GET),
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	};

	return send(netlink, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* Return: 1 if there is more to receive, 0 at the end, or -errno. */
static int receive_counts(int netlink, uint64_t *count)
{
	static _Alignas(NLMSG_ALIGNTO) char buf[1 << 16];
	const struct nlmsghdr *msg;
	ssize_t got = recv(netlink, buf, sizeof(buf), 0);

	if (got < 0)
		return -errno;
	for (msg = (void *)buf; NLMSG_OK(msg, got);
	     msg = NLMSG_NEXT(msg, got)) {
		if (msg->nlmsg_type == NLMSG_DONE)
			return 0;
		if (msg->nlmsg_type == NLMSG_ERROR)
			return -EPROTO;
		add_counts(NLMSG_DATA(msg), (const char *)msg + msg->nlmsg_len,
			   count);
	}
	return 1;
}

int count_rdma_objects(uint64_t *count)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);
	int ret;

	*count = 0;
	if (netlink < 0)
		return -errno;
	ret = send_request(netlink);
	if (!ret)
		do {
			ret = receive_counts(netlink, count);
		} while (ret > 0);
	close(netlink);
	return ret;
}
