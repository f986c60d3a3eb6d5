// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem_exporters(): reads the exporters and their counters from
 * /sys/kernel/mm/memory_peers. Each exporter has a directory there, with one file per
 * counter.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem.h>

#include "internal.h"

#define PEERS_DIR "/sys/kernel/mm/memory_peers"

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(field)							\
	{ "num_" #field, offsetof(struct peermem_exporter_stats, field) }
	COUNTER(alloc_mrs),
	COUNTER(dealloc_mrs),
	COUNTER(reg_pages),
	COUNTER(dereg_pages),
	COUNTER(reg_bytes),
	COUNTER(dereg_bytes),
	COUNTER(free_callbacks),
	COUNTER(faults),
	COUNTER(invalidations),
#undef COUNTER
};

/* Reads the first line of a file, without its newline. Return: 0 or errno. */
static int read_text(int dir, const char *name, char *text, size_t room)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno;
	n = read(fd, text, room - 1);
	close(fd);
	if (n < 0)
		return errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static int read_counter(int dir, const char *name, uint64_t *value)
{
	char text[32];
	int error = read_text(dir, name, text, sizeof(text));

	if (!error)
		*value = strtoull(text, NULL, 10);
	return error;
}

static int read_exporter(int peers, const char *name,
			 struct peermem_exporter_stats *stats)
{
	int dir = openat(peers, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;
	size_t i;

	if (dir < 0)
		return errno;
	memset(stats, 0, sizeof(*stats));
	snprintf(stats->name, sizeof(stats->name), "%.*s",
		 (int)sizeof(stats->name) - 1, name);
	error = read_text(dir, "version", stats->version,
			  sizeof(stats->version));
	for (i = 0; !error && i < sizeof(counters) / sizeof(counters[0]); i++)
		error = read_counter(dir, counters[i].name,
				     (uint64_t *)((char *)stats +
						  counters[i].offset));
	close(dir);
	return error;
}

static int is_exporter(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Skips exporters that unregister while this runs. */
static int read_all(int peers, struct dirent **entries, int n, void *stats,
		    size_t stat_size, size_t room, size_t *count)
{
	struct peermem_exporter_stats one;
	int error, i;

	for (i = 0; i < n; i++) {
		error = read_exporter(peers, entries[i]->d_name, &one);
		if (error == ENOENT || error == ENODEV)
			continue;
		if (error)
			return error;
		if (*count < room)
			peermem_copy_out((char *)stats + *count * stat_size,
				     stat_size, &one, sizeof(one));
		(*count)++;
	}
	return 0;
}

PEERMEM_EXPORT
int peermem_exporters(struct peermem_exporter_stats *stats, size_t stat_size,
		      size_t room, size_t *count)
{
	struct dirent **entries;
	int peers, n, error;

	*count = 0;
	if (stat_size < sizeof(*stats))
		return errno = EINVAL;
	peers = open(PEERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (peers < 0)
		return errno;
	n = scandirat(peers, ".", &entries, is_exporter, alphasort);
	if (n < 0) {
		error = errno;
	} else {
		error = read_all(peers, entries, n, stats, stat_size, room,
				 count);
		while (n--)
			free(entries[n]);
		free(entries);
	}
	close(peers);
	return errno = error;
}
