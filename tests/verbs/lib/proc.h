/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Other processes: commands with a bound on their time, descriptors over
 * sockets; clocks; the kernel below.
 */
#ifndef VT_PROC_H
#define VT_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int64_t vt_now_ms(void);

/*
 * Is this one of the project's own kernels, which look for mistakes? They are
 * slower many times, so tests that count do less there.
 */
bool vt_slow_kernel(void);

/*
 * Runs a command (by PATH) and waits, but not for ever.
 * Return: its exit status, 128 + signal, or -ETIMEDOUT: it was killed, and if
 * not even that ends it, it is left behind.
 */
int vt_run(int timeout_ms, const char *const argv[]);

/* Waits for a child. Return: as vt_run(). */
int vt_wait_child(pid_t pid, int timeout_ms);

int vt_send_fd(int socket, int fd);
/* Return: a descriptor or -errno. */
int vt_recv_fd(int socket);

/* A line of /proc/self/status, e.g. VmPin, in KiB; -1: there is none. */
long vt_status_kib(const char *name);

/* Writes a string into a file of sysfs. Return: 0 or -errno. */
int vt_write_file(const char *path, const char *text);

bool vt_module_is_loaded(const char *name);
/* Where a module for tests lies, e.g. "peerdirect_test.ko". */
int vt_find_test_module(const char *ko, char *path, size_t size);
/* insmod of it. Return: as vt_run(), or -errno. */
int vt_insmod_test(const char *ko, const char *params);
int vt_rmmod(const char *name);

#endif
