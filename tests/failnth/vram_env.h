/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Common parts of the sweeps of the peer_vram device: a BO that exists during
 * the whole sweep, and BOs that the calls create.
 */
#ifndef FN_VRAM_ENV_H
#define FN_VRAM_ENV_H

#include <sys/mman.h>

#include "../vram/vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define LENGTH (128 * KIB)
#define SEED 5

/**
 * struct vram_env - the device file and its BOs
 * @fd:          the device file
 * @handle:      of the permanent BO, which is filled with pattern SEED
 * @map:         mapping of the permanent BO
 * @other:       a second descriptor: of the device, or of a shared BO
 * @created:     a BO that a call creates or destroys
 * @created_map: mapping of @created
 * @flags:       of a BO that a call creates
 * @domain:      domain of the permanent BO before a call
 * @filler:      a BO that leaves no room for another
 */
struct vram_env {
	int fd;
	uint32_t handle;
	char *map;
	int other;
	uint32_t created;
	char *created_map;
	uint32_t flags;
	uint32_t domain;
	uint32_t filler;
};

/* Both return 0 or -errno. */
int vram_env_open(struct vram_env *n);
/* Also checks that nothing is left in VRAM. */
int vram_env_close(struct vram_env *n);

/*
 * Check the content of a BO, read through the exporter: the pattern, or zeros.
 */
int check_bytes(int fd, uint32_t handle);
int check_zero(int fd, uint32_t handle);
int check_domain(struct vram_env *n, uint32_t handle, uint32_t domain);

/* Verify function of a sweep: the permanent BO has its domain and content. */
int verify_unchanged(void *env, int ret);

#endif
