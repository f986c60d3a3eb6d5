/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers of the tests of peer_vram: calls of the node, patterns, faults that
 * are expected. Calls return 0 (or a descriptor) or -errno.
 */
#ifndef TESTS_VRAM_H
#define TESTS_VRAM_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_vram.h>

#define VRAM_NODE "/dev/peer_vram0"

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define PAGE 4096UL

int vram_open(int flags);
int vram_ioctl(int fd, unsigned long request, void *arg);
int vram_info(int fd, struct peer_vram_info *info);
int vram_create(int fd, uint64_t length, uint32_t flags, uint32_t *handle);
int vram_close(int fd, uint32_t handle);
int vram_destroy(int fd, uint32_t handle);
int vram_revoke(int fd, uint32_t handle);
int vram_lookup(int fd, const void *addr, uint32_t *handle, uint64_t *offset);
int vram_move(int fd, uint32_t handle, uint32_t domain);
int vram_query(int fd, uint32_t handle, struct peer_vram_query *query);
int vram_read(int fd, uint32_t handle, uint64_t offset, void *buf, size_t length);
int vram_write(int fd, uint32_t handle, uint64_t offset, const void *buf,
	       size_t length);
int vram_blocks(int fd, uint32_t handle, struct peer_vram_block *blocks,
		uint32_t room);
int vram_share(int fd, uint32_t handle);
int vram_import(int fd, int share, uint32_t *handle);

/* Maps an object at its offset, or makes one (handle 0). NULL and errno. */
void *vram_map(int fd, uint32_t handle, size_t length, int prot);
/* Makes an object, maps it, and fills it with a pattern. NULL and errno. */
void *vram_make_filled(int fd, size_t length, uint32_t flags, uint32_t seed,
		       uint32_t *handle);

/*
 * Waits until nothing is left: objects, blocks, pins, system memory. Returns 0,
 * -ETIMEDOUT, or -errno.
 */
int vram_wait_empty(int seconds);

/* Every 8-byte word of every seed is different. */
uint64_t pattern_word(uint32_t seed, uint64_t index);
void pattern_fill(void *buf, size_t length, uint32_t seed, uint64_t first);
/* Index of the first wrong word, or -1. */
int64_t pattern_check(const void *buf, size_t length, uint32_t seed,
		      uint64_t first);
/* Index of the first word that is not zero, or -1. */
int64_t zero_check(const void *buf, size_t length);

/*
 * Touches a byte and tells which signal that gave: 0, SIGBUS or SIGSEGV. May be
 * used by many threads at once.
 */
int touch_read(const volatile void *addr);
int touch_write(volatile void *addr);

/* Writes text to a file of sysfs. */
int sysfs_write(const char *path, const char *text);

/* Sends a descriptor over a socket, and takes one from it. */
int send_fd(int sock, int fd);
int recv_fd(int sock);

#endif
