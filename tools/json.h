/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * JSON output, with json-c. A document begins with the version of its schema and the name
 * of the command; peermem.schema.json describes the rest. A function that
 * gets no memory ends the program.
 */
#ifndef PEERMEM_JSON_H
#define PEERMEM_JSON_H

#include <json-c/json.h>
#include <stdint.h>

struct json_object *json_document(const char *command);
/* Print a document and free it: on several lines, or on one. */
void print_json(struct json_object *document);
void print_json_line(struct json_object *document);

void json_add_string(struct json_object *object, const char *name, const char *text);
void json_add_number(struct json_object *object, const char *name, uint64_t number);
/* With one digit after the point. */
void json_add_real(struct json_object *object, const char *name, double number);
void json_add_bool(struct json_object *object, const char *name, int value);
/* A string such as "0x7f0000000000": not every reader has numbers of 64 bits. */
void json_add_address(struct json_object *object, const char *name, uint64_t address);
/* Add an empty array, an empty object, or one to an array. Return: the new one. */
struct json_object *json_add_array(struct json_object *object, const char *name);
struct json_object *json_add_object(struct json_object *object, const char *name);
struct json_object *json_append_object(struct json_object *array);
void json_append_string(struct json_object *array, const char *text);

#endif
