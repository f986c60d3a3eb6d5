/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for tests of peer_vram: ioctls of the device file, data patterns, and
 * accesses that may raise a signal. Functions that return int return 0, a count
 * or a descriptor, or -errno.
 */
#ifndef TESTS_VRAM_H
#define TESTS_VRAM_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_vram.h>

#include "../page_size.h"

#define VRAM_NODE "/dev/peer_vram0"

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define PAGE page_size()

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
		uint32_t max_blocks);
int vram_share(int fd, uint32_t handle);
int vram_import(int fd, int dmabuf, uint32_t *handle);

/* Maps a BO, or creates one if @handle is 0. Return: NULL and errno on error. */
void *vram_map(int fd, uint32_t handle, size_t length, int prot);
/* Creates a BO, maps and fills it. Return: NULL and errno on error. */
void *vram_make_filled(int fd, size_t length, uint32_t flags, uint32_t seed,
		       uint32_t *handle);

/*
 * Waits until the device has no BOs, no used or pinned VRAM, and no BOs in
 * system memory. Return: 0, -ETIMEDOUT, or -errno.
 */
int vram_wait_empty(int seconds);

/* All 8-byte words of all seeds differ. */
uint64_t pattern_word(uint32_t seed, uint64_t index);
void pattern_fill(void *buf, size_t length, uint32_t seed, uint64_t first);
/* Return: the index of the first wrong word, or -1. */
int64_t pattern_check(const void *buf, size_t length, uint32_t seed,
		      uint64_t first);
/* Return: the index of the first nonzero word, or -1. */
int64_t zero_check(const void *buf, size_t length);

/*
 * Accesses a byte. Return: the signal that this raised (SIGBUS or SIGSEGV), or
 * 0. Several threads may call these at the same time.
 */
int touch_read(const volatile void *addr);
int touch_write(volatile void *addr);

/* Writes @text to a file in sysfs. */
int sysfs_write(const char *path, const char *text);

/* Send and receive a descriptor over a UNIX socket. */
int send_fd(int sock, int fd);
int recv_fd(int sock);

#endif
