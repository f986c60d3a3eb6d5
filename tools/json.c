// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* JSON output. See json.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "tool.h"

#define SCHEMA_VERSION 1

static struct json_object *need(struct json_object *value)
{
	if (!value)
		exit(failure("out of memory"));
	return value;
}

static void add(struct json_object *object, const char *name,
		struct json_object *value)
{
	if (json_object_object_add(object, name, need(value)))
		exit(failure("out of memory"));
}

static void append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, need(value)))
		exit(failure("out of memory"));
}

struct json_object *json_document(const char *command)
{
	struct json_object *document = need(json_object_new_object());

	json_add_number(document, "schema_version", SCHEMA_VERSION);
	json_add_string(document, "command", command);
	return document;
}

static void print_and_free(struct json_object *document, int flags)
{
	flags |= JSON_C_TO_STRING_NOSLASHESCAPE;
	puts(json_object_to_json_string_ext(document, flags));
	json_object_put(document);
}

void print_json(struct json_object *document)
{
	print_and_free(document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
}

void print_json_line(struct json_object *document)
{
	print_and_free(document, JSON_C_TO_STRING_PLAIN);
}

void json_add_string(struct json_object *object, const char *name, const char *text)
{
	add(object, name, json_object_new_string(text));
}

void json_add_number(struct json_object *object, const char *name, uint64_t number)
{
	add(object, name, json_object_new_uint64(number));
}

void json_add_real(struct json_object *object, const char *name, double number)
{
	char text[64];

	snprintf(text, sizeof(text), "%.1f", number);
	add(object, name, json_object_new_double_s(number, text));
}

void json_add_bool(struct json_object *object, const char *name, int value)
{
	add(object, name, json_object_new_boolean(value));
}

void json_add_address(struct json_object *object, const char *name, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "%#" PRIx64, address);
	json_add_string(object, name, text);
}

struct json_object *json_add_array(struct json_object *object, const char *name)
{
	struct json_object *array = json_object_new_array();

	add(object, name, array);
	return array;
}

struct json_object *json_add_object(struct json_object *object, const char *name)
{
	struct json_object *child = json_object_new_object();

	add(object, name, child);
	return child;
}

struct json_object *json_append_object(struct json_object *array)
{
	struct json_object *object = json_object_new_object();

	append(array, object);
	return object;
}

void json_append_string(struct json_object *array, const char *text)
{
	append(array, json_object_new_string(text));
}
