/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Commands with a time limit, descriptors over sockets, time, files of sysfs, and
 * kernel modules.
 */
#ifndef VT_PROC_H
#define VT_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int64_t vt_now_ms(void);

/*
 * Return: true on the project's debug kernels (KASAN, lockdep, KCSAN). They are many
 * times slower, so tests do fewer rounds there.
 */
bool vt_slow_kernel(void);

/*
 * Runs a command (found by PATH) and waits for it. Kills it after @timeout_ms, and
 * abandons it if it does not end then. Return: its exit status, 128 + signal,
 * -ETIMEDOUT, or -errno.
 */
int vt_run(int timeout_ms, const char *const argv[]);

/* Waits for a child. Return: as vt_run(). */
int vt_wait_child(pid_t pid, int timeout_ms);

int vt_send_fd(int socket, int fd);
/* Return: a descriptor or -errno. */
int vt_recv_fd(int socket);

/* A value of /proc/self/status, e.g. VmPin, in KiB; -1: there is none. */
long vt_status_kib(const char *name);

/* Writes a string into a file of sysfs. Return: 0 or -errno. */
int vt_write_file(const char *path, const char *text);

bool vt_module_is_loaded(const char *name);
/* Path of a test module, e.g. of "peerdirect_test.ko". Return: 0 or -errno. */
int vt_find_test_module(const char *ko, char *path, size_t size);
/*
 * Loads a test module. @params: NULL, or up to 8 words "name=value". Return: as
 * vt_run(); -E2BIG more.
 */
int vt_insmod_test(const char *ko, const char *params);
int vt_rmmod(const char *name);

#endif
