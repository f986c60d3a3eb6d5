// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The full screen of "peermem top", for at least 80 columns: a bar for each VRAM device, the
 * exporters, then the MRs, the most active ones first. Keys choose the order and quit.
 */
#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"
#include "top.h"

#define BAR_WIDTH 24

/* An MR with what it is sorted by. */
struct line {
	const struct row *row;
	struct mr_rates rates;
	double key;
};

struct order {
	int key;
	const char *name;
	double (*of)(const struct line *line);
};

/* ---- the order of the MRs ---- */

static double by_faults(const struct line *line)
{
	return line->rates.faults;
}

static double by_invalidations(const struct line *line)
{
	return line->rates.invalidations;
}

static double by_length(const struct line *line)
{
	return line->row->mr.length;
}

static double by_resident(const struct line *line)
{
	return line->row->mr.resident;
}

/* The smallest first. */
static double by_pid(const struct line *line)
{
	return -line->row->pid;
}

static const struct order orders[] = {
	{ 'f', "faults", by_faults },
	{ 'i', "invalidations", by_invalidations },
	{ 'l', "length", by_length },
	{ 'r', "resident", by_resident },
	{ 'p', "PID", by_pid },
};

static const struct order *find_order(int key)
{
	size_t i;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (orders[i].key == key)
			return &orders[i];
	return NULL;
}

/* The largest first; MRs that are equal stay in the order of their numbers. */
static int compare(const void *a, const void *b)
{
	const struct line *one = a, *other = b;

	if (one->key != other->key)
		return one->key < other->key ? 1 : -1;
	return one->row->mr.number < other->row->mr.number ? -1 :
	       one->row->mr.number > other->row->mr.number;
}

/* Return: an array of now->rows.count lines that the caller frees, or NULL. */
static struct line *sorted_lines(const struct sample *then,
				 const struct sample *now,
				 const struct order *order)
{
	struct line *lines = calloc(now->rows.count + 1, sizeof(*lines));
	size_t i;

	for (i = 0; lines && i < now->rows.count; i++) {
		lines[i].row = &now->rows.list[i];
		lines[i].rates = mr_rates(then, now, i);
		lines[i].key = order->of(&lines[i]);
	}
	if (lines)
		qsort(lines, now->rows.count, sizeof(*lines), compare);
	return lines;
}

/* ---- drawing ---- */

static void draw_title(const struct order *order)
{
	time_t now = time(NULL);
	char clock[16];

	strftime(clock, sizeof(clock), "%T", localtime(&now));
	printw("peermem top  %s  order: %s", clock, order->name);
	mvprintw(0, COLS > 79 ? 48 : 0, "keys: f i l r p order, q quit");
	addch('\n');
}

/* "#" is pinned, "|" the rest of what is used. */
static void draw_bar(const struct peermem_vram_info *info)
{
	int pinned = info->size ? BAR_WIDTH * info->pinned / info->size : 0;
	int used = info->size ? BAR_WIDTH * info->used / info->size : 0;
	int i;

	addch('[');
	for (i = 0; i < BAR_WIDTH; i++)
		addch(i < pinned ? '#' : i < used ? '|' : ' ');
	addch(']');
}

static void draw_vrams(const struct sample *then, const struct sample *now)
{
	const struct vram_sample *vram;
	struct vram_rates rates;
	size_t i;

	for (i = 0; i < now->vram_count; i++) {
		vram = &now->vrams[i];
		rates = vram_rates(then, now, i);
		printw("%-11s ", vram->name);
		draw_bar(&vram->info);
		printw(" %s of %s used, %.0f moves/s, %.0f evictions/s\n",
		       format_size(vram->info.used).text,
		       format_size(vram->info.size).text, rates.moves,
		       rates.evictions);
	}
}

static void draw_exporters(const struct sample *then, const struct sample *now)
{
	const struct peermem_exporter_stats *exporter;
	struct exporter_rates rates;
	size_t i;

	attron(A_BOLD);
	printw("%-16s %8s %11s %9s %9s %9s %9s\n", "EXPORTER", "REGIONS",
	       "REGISTERED", "CLAIMS/s", "FAULTS/s", "INVAL/s", "REVOKED/s");
	attroff(A_BOLD);
	for (i = 0; i < now->exporter_count; i++) {
		exporter = &now->exporters[i];
		rates = exporter_rates(then, now, i);
		printw("%-16.16s %8" PRIu64 " %11s %9.1f %9.1f %9.1f %9.1f\n",
		       exporter->name,
		       regions_now(exporter), format_size(bytes_now(exporter)).text,
		       rates.claims, rates.faults, rates.invalidations,
		       rates.revoked);
	}
}

static void draw_line(const struct line *line)
{
	const struct peermem_mr_stats *mr = &line->row->mr;

	printw("%7d %-12.12s %-7.7s %10s %-9s %10s %8.1f %8.1f\n", line->row->pid,
	       line->row->command, mr->device, format_size(mr->length).text,
	       kind_of(mr), format_size(mr->resident).text, line->rates.faults,
	       line->rates.invalidations);
}

static void draw_mrs(const struct sample *then, const struct sample *now,
		     const struct order *order)
{
	struct line *lines = sorted_lines(then, now, order);
	size_t i;

	attron(A_BOLD);
	printw("%7s %-12s %-7s %10s %-9s %10s %8s %8s\n", "PID", "COMMAND",
	       "DEVICE", "LENGTH", "KIND", "RESIDENT", "FAULTS/s", "INVAL/s");
	attroff(A_BOLD);
	for (i = 0; lines && i < now->rows.count && getcury(stdscr) < LINES - 1; i++)
		draw_line(&lines[i]);
	if (i < now->rows.count)
		printw("and %zu more", now->rows.count - i);
	free(lines);
}

static void draw(const struct sample *then, const struct sample *now,
		 const struct order *order)
{
	erase();
	draw_title(order);
	draw_vrams(then, now);
	addch('\n');
	draw_exporters(then, now);
	addch('\n');
	draw_mrs(then, now, order);
	refresh();
}

/* ---- the loop ---- */

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* Serves keys until the interval after @now is over. Return: false to quit. */
static bool serve_keys(const struct sample *then, const struct sample *now,
		       unsigned int interval, const struct order **order)
{
	long left;
	int key;

	while ((left = interval * 1000L - ms_since(&now->when)) > 0) {
		timeout(left);
		key = getch();
		if (key == 'q')
			return false;
		if (find_order(key))
			*order = find_order(key);
		/* Also if the size of the terminal changed. */
		if (key != ERR)
			draw(then, now, *order);
	}
	return true;
}

/* Before the second sample, the rates are 0. */
static int run(unsigned int interval, unsigned long count)
{
	struct sample samples[2], *then = &samples[0], *now = then;
	const struct order *order = &orders[0];
	int error = take_sample(now);
	unsigned long drawn = 0;

	while (!error) {
		draw(then, now, order);
		if ((count && drawn++ == count) ||
		    !serve_keys(then, now, interval, &order))
			break;
		if (then != now)
			free_sample(then);
		then = now;
		now = &samples[now == samples];
		error = take_sample(now);
	}
	if (then != now)
		free_sample(then);
	free_sample(now);
	return error;
}

int watch_on_screen(unsigned int interval, unsigned long count)
{
	int error;

	if (!initscr())
		return ENOTTY;
	cbreak();
	noecho();
	curs_set(0);
	error = run(interval, count);
	endwin();
	return error;
}
