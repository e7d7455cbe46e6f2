/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector - label and field selectors, matched against sets written "key=value\n...".
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <jansson.h>

struct selector;

/* "a=b,c!=d,e in (f,g),h,!i"; an empty text gives NULL without an error: it selects everything. */
struct selector *selector_parse(const char *text, struct err *e);
/* "metadata.name=x,type!=y": only = == and !=. */
struct selector *selector_parse_fields(const char *text, struct err *e);
/* A LabelSelector (matchLabels, matchExpressions); NULL or {} give NULL: everything. */
struct selector *selector_of_json(const json_t *label_selector);
void selector_free(struct selector *s);
AUTO_DEFINE(selector)

bool selector_matches(const struct selector *s, const char *set);
/* The first key that allowed() refuses, or NULL. */
const char *selector_refused_key(const struct selector *s, bool (*allowed)(const void *arg, const char *key),
                                 const void *arg);
