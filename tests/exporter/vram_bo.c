// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The commands of the kit for peer_vram: moves all BOs of the device to the other domain,
 * or revokes their MRs. File descriptor 3 is the open node.
 *
 * usage: vram_bo move|revoke
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/peer_vram.h>

#define NODE_FD 3

static int move(__u32 handle)
{
	struct peer_vram_query query = { .size = sizeof(query), .handle = handle };
	struct peer_vram_move move = { .size = sizeof(move), .handle = handle };

	if (ioctl(NODE_FD, PEER_VRAM_IOC_QUERY, &query))
		return -1;
	move.domain = query.domain == PEER_VRAM_DOMAIN_VRAM ?
		      PEER_VRAM_DOMAIN_SYSTEM : PEER_VRAM_DOMAIN_VRAM;
	return ioctl(NODE_FD, PEER_VRAM_IOC_MOVE, &move);
}

static int revoke(__u32 handle)
{
	struct peer_vram_handle end = { .size = sizeof(end), .handle = handle };

	return ioctl(NODE_FD, PEER_VRAM_IOC_REVOKE, &end);
}

int main(int argc, char **argv)
{
	struct peer_vram_next next = { .size = sizeof(next) };
	struct peer_vram_handle handle = { .size = sizeof(handle) };
	int (*command)(__u32 handle) = NULL;

	if (argc == 2 && !strcmp(argv[1], "move"))
		command = move;
	else if (argc == 2 && !strcmp(argv[1], "revoke"))
		command = revoke;
	if (!command)
		errx(2, "usage: vram_bo move|revoke");
	while (!ioctl(NODE_FD, PEER_VRAM_IOC_NEXT, &next)) {
		if (command(next.handle))
			err(1, "%s", argv[1]);
		handle.handle = next.handle;
		if (ioctl(NODE_FD, PEER_VRAM_IOC_CLOSE, &handle))
			err(1, "close");
		next.handle = 0;
	}
	if (errno != ENOENT)
		err(1, "next BO");
	return 0;
}
