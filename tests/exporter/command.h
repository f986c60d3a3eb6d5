/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Commands of the command line, such as that of --move.
 */
#ifndef EXPORTER_COMMAND_H
#define EXPORTER_COMMAND_H

/*
 * Runs a command with sh, and waits for it. Its file descriptor 3 is @fd, unless that is
 * negative. Its output goes to stderr, since stdout has TAP. Return: the exit status,
 * 128 + signal, -ETIMEDOUT, or another -errno.
 */
int et_command(const char *command, int fd);

#endif
