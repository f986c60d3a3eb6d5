/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Makes every call fail that creates a descriptor. For a process that runs as root and
 * has one thread. Functions return 0 or -errno.
 */
#ifndef VT_FILE_LIMIT_H
#define VT_FILE_LIMIT_H

/* The process has no free descriptor: EMFILE. */
int vt_deny_descriptors(void);
int vt_allow_descriptors(void);

/*
 * The system has no free file: ENFILE. Root is exempt, so the process has no privileges
 * until vt_allow_files().
 */
int vt_deny_files(void);
int vt_allow_files(void);

#endif
