/* SPDX-License-Identifier: Apache-2.0 */
/*
 * js - what jansson lacks here: paths, defaults, limits.
 *
 * A path is written "metadata.name": keys without dots, objects only. Borrowed results live as long as the document.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deeper documents are refused before jansson recurses into them. */
enum { JS_DEPTH_MAX = 256 };

/* jansson iterates over, copies and shares values without const, though it only reads them. */
static inline json_t *js_unconst(const json_t *value)
{
        return (json_t *)(uintptr_t)value;
}

/* Any value; NULL and an error otherwise. A new reference. */
json_t *js_parse(const char *bytes, size_t n, struct err *e);

/* Compact text for mem_free(). */
char *js_text(const json_t *value);
/* Quoted as Go's %q does for what Kubernetes' messages quote: the JSON text of the string. */
char *js_quote(const char *s);
/* The bytes in base64, as Kubernetes writes what is binary. A new reference. */
json_t *js_base64(const void *p, size_t n) __attribute__((returns_nonnull));
/* What that stands for; NULL when text is no base64. */
struct buf *js_unbase64(const char *text);

json_t *js_get(const json_t *value, const char *path);
/* NULL when it is absent or no string; a string is cut at its first NUL. */
const char *js_str(const json_t *value, const char *path);
/* "" instead of NULL. */
const char *js_text_or_empty(const json_t *value, const char *path);
bool js_true(const json_t *value, const char *path);
json_int_t js_int(const json_t *value, const char *path, json_int_t fallback);

/* The object under key, made (or put in place of another type) when it is not there. */
json_t *js_object(json_t *parent, const char *key);
void js_set_str(json_t *object, const char *key, const char *value);
/* Sets key unless it is there. */
void js_default(json_t *object, const char *key, json_t *value);
/* Puts key first, so that a stored object begins with its metadata. */
void js_move_first(json_t *object, const char *key);
bool js_array_has(const json_t *array, const char *s);
/* 0, "", false, null, {} and []. */
bool js_empty(const json_t *value);
