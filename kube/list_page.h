/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_page - one answer to a list, object by object.
 *
 * What a list leaves out is taken as gone, so an answer counts as a list only when it is one from the first bracket to
 * the last. Its objects are parsed one at a time: one that cannot be read costs only itself, and 500 of them never
 * stand in memory together. Source: Kubernetes, "API concepts", "Retrieving large results sets in chunks".
 */
#pragma once

#include "base/err.h"
#include "kube/skim.h"

#include <jansson.h>

struct list_page {
        char *version; /* resourceVersion of the list, never "" */
        char *next;    /* continue token; NULL: this is the last page */
        struct skim items;
};

/* Reads what encloses the objects. out borrows text; list_page_done() in any case, a zeroed one is fine. */
bool list_page_read(struct list_page *out, const char *text, size_t n, struct err *e);
void list_page_done(struct list_page *page);

/*
 * Calls on_object() for every object, or on_bad() with its name ("" when it has none) for one that is none. What
 * jansson allocates during a call is gone after it (base/json_arena.h).
 */
void list_page_each(const struct list_page *page, void (*on_object)(json_t *object, void *arg),
                    void (*on_bad)(const char *name, const char *why, void *arg), void *arg);
