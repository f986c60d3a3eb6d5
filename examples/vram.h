/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Video memory for the examples: allocates, fills and compares it, and queries
 * peer_vram for the number of MRs on it. An error ends the program.
 */
#ifndef EXAMPLES_VRAM_H
#define EXAMPLES_VRAM_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

static int vram_node(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "/dev/peer_vram0");
	return fd;
}

/* Allocates a BO and maps it. */
static void *vram_map(size_t size)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  vram_node(), 0);

	if (addr == MAP_FAILED)
		err(1, "cannot allocate %zu bytes of video memory", size);
	return addr;
}

/* Returns word @index of pattern @seed. All words of all patterns differ. */
static uint64_t vram_word(uint64_t seed, size_t index)
{
	return (seed << 32 | index) * 0x9e3779b97f4a7c15;
}

static void vram_fill(void *addr, size_t size, uint64_t seed)
{
	uint64_t *words = addr;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		words[i] = vram_word(seed, i);
}

/* Compares all bytes, and prints the number of MRs and pins that the BO has. */
static void vram_check(const char *what, void *addr, size_t size, uint64_t seed)
{
	struct peer_vram_lookup object = { .size = sizeof(object),
					   .addr = (uintptr_t)addr };
	struct peer_vram_query query = { .size = sizeof(query) };
	struct peer_vram_handle handle = { .size = sizeof(handle) };
	uint64_t *words = addr;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		if (words[i] != vram_word(seed, i))
			errx(1, "%s: wrong bytes at %zu", what,
			     i * sizeof(*words));
	if (ioctl(vram_node(), PEER_VRAM_IOC_LOOKUP, &object))
		err(1, "PEER_VRAM_IOC_LOOKUP");
	query.handle = object.handle;
	handle.handle = object.handle;
	if (ioctl(vram_node(), PEER_VRAM_IOC_QUERY, &query) ||
	    ioctl(vram_node(), PEER_VRAM_IOC_CLOSE, &handle))
		err(1, "PEER_VRAM_IOC_QUERY");
	printf("%s: %zu bytes right, MRs over them: %u, pinned: %u\n", what,
	       size, query.regions, query.pins);
	fflush(stdout);
}

#endif
