// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem doctor: what an application would find on this system, and what to do about
 * what is missing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "json.h"
#include "tool.h"

static const char *const words[] = {
	[GOOD] = "ok", [NOTE] = "note", [BAD] = "no",
};

void found(struct findings *findings, const char *part, enum verdict verdict,
	   const char *format, ...)
{
	struct finding *finding = reallocarray(findings->list, findings->count + 1,
					       sizeof(*finding));
	va_list args;

	if (!finding)
		exit(failure("out of memory"));
	findings->list = finding;
	finding += findings->count++;
	snprintf(finding->part, sizeof(finding->part), "%s", part);
	finding->verdict = verdict;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	finding->advice[0] = 0;
}

void advise(struct findings *findings, const char *format, ...)
{
	struct finding *last = &findings->list[findings->count - 1];
	va_list args;

	va_start(args, format);
	vsnprintf(last->advice, sizeof(last->advice), format, args);
	va_end(args);
}

static int width_of(const struct findings *findings)
{
	int width = 0;
	size_t i;

	for (i = 0; i < findings->count; i++)
		if ((int)strlen(findings->list[i].part) > width)
			width = strlen(findings->list[i].part);
	return width;
}

static void print_text(const struct findings *findings)
{
	int width = width_of(findings);
	const struct finding *finding;
	size_t i;

	for (i = 0; i < findings->count; i++) {
		finding = &findings->list[i];
		printf("%-4s  %-*s  %s\n", words[finding->verdict], width,
		       finding->part, finding->text);
		if (*finding->advice)
			printf("%*s  %s\n", 6 + width, "", finding->advice);
	}
}

static struct json_object *to_json(const struct findings *findings)
{
	struct json_object *root = json_document("doctor"), *check;
	struct json_object *checks = json_add_array(root, "checks");
	const struct finding *finding;
	size_t i;

	for (i = 0; i < findings->count; i++) {
		finding = &findings->list[i];
		check = json_append_object(checks);
		json_add_string(check, "part", finding->part);
		json_add_string(check, "verdict", words[finding->verdict]);
		json_add_string(check, "text", finding->text);
		json_add_string(check, "advice", finding->advice);
	}
	return root;
}

static int has_bad(const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (findings->list[i].verdict == BAD)
			return 1;
	return 0;
}

int doctor_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct findings findings = { .list = NULL };
	int option, bad, json = 0;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return 2;
		json = 1;
	}
	if (optind != argc)
		return usage_error("doctor: unexpected argument '%s'", argv[optind]);
	check_core(&findings);
	check_soft_roce(&findings);
	check_exporters(&findings);
	check_memlock(&findings);
	check_devices(&findings);
	if (json)
		print_json(to_json(&findings));
	else
		print_text(&findings);
	bad = has_bad(&findings);
	free(findings.list);
	return bad ? EXIT_NO : 0;
}
