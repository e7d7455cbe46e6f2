/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skim - where the values of a JSON text begin and end, without parsing them.
 *
 * A list of objects is taken apart by it, and each object parsed on its own: one that no parser takes costs only
 * itself, and it can still be named. It neither copies nor recurses, and believes nothing but brackets and quotes: what
 * it finds inside broken JSON is to be shown to people, not to be acted on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A value as it stands in the text, quotes and brackets included. */
struct skim {
        const char *text;
        size_t size;
        bool whole; /* false: the text ends before the value does */
};

/* The first value of a text; size 0 when there is none. */
struct skim skim_value(const char *text, size_t n);
/* The whole text as a value whose end nobody has looked for: for one walk over a large one. */
struct skim skim_text(const char *text, size_t n);

/* Walks the members of an object or the elements of an array. */
struct skim_walk {
        const char *p, *end;
        char close;
        bool first, ended; /* ended: the closing bracket was reached in good order */
};
/* False when v is neither object nor array. */
bool skim_begin(struct skim_walk *w, const struct skim *v);
/* The next one; key (with quotes) is only set in objects. False at the end, and where the order is broken. */
bool skim_next(struct skim_walk *w, struct skim *key, struct skim *value);

/* Of a walk over a skim_text(): it has ended, and nothing but space follows. */
bool skim_rest_is_blank(const struct skim_walk *w);

/* The first member called key (which needs no escaping). */
bool skim_member(const struct skim *object, const char *key, struct skim *value);
/* A string without escapes, for mem_free(); NULL for everything else. */
char *skim_string(const struct skim *v);

/* "namespace/name" or "name" of the Kubernetes object v, "" where it cannot be told; for mem_free(). */
char *skim_object_name(const struct skim *v) __attribute__((returns_nonnull));
