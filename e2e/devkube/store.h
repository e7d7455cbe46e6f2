/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the objects, the order in which they changed, and a memory of the recent changes for watches.
 *
 * An object is kept as the bytes that are sent: compact JSON without apiVersion, kind and resourceVersion, which are
 * written in front of it (so that all versions of a kind share it). It is immutable and shared by reference. One lock
 * guards it all; nothing is parsed or written to a socket under it.
 */
#pragma once

#include "base/buf.h"
#include "e2e/devkube/resource.h"

#include <stdatomic.h>
#include <stdint.h>

struct object {
        atomic_uint refs;
        uint64_t rv;
        const char *key;    /* "namespace/name", or "name" */
        const char *name;   /* within key */
        const char *labels; /* "key=value\n..." */
        const char *fields; /* the same, of what field selectors of its kind may ask for besides name and namespace */
        const char *rest;   /* JSON text from behind resourceVersion on */
        size_t rest_len;
};

/* Whether a field selector on r may name this path. */
bool object_field_is_selectable(const struct resource *r, const char *path);

struct object *object_new(const struct resource *r, const json_t *value) __attribute__((returns_nonnull));
struct object *object_ref(struct object *o);
void object_unref(struct object *o); /* accepts NULL */
/* rv 0: the object's own. */
void object_write(struct buf *out, const struct version *v, const struct object *o, uint64_t rv);
json_t *object_json(const struct version *v, const struct object *o) __attribute__((returns_nonnull));
static inline void object_auto(struct object **o)
{
        object_unref(*o);
}
#define AUTO_OBJECT __attribute__((cleanup(object_auto))) struct object

struct collection *collection_new(void);

void store_init(size_t history);
uint64_t store_rv(void);

/* A new reference or NULL. ns NULL: not namespaced. */
struct object *store_get(const struct resource *r, const char *ns, const char *name);

/*
 * Puts o (taken over) in the place of expected, NULL for a creation; false (o is freed) when something else is there.
 * On success *stored, if asked for, is a new reference.
 */
bool store_put(const struct resource *r, struct object *o, const struct object *expected, struct object **stored);
/* Removes expected; false when something else is there. *rv is that of the deletion. */
bool store_remove(const struct resource *r, const struct object *expected, uint64_t *rv);

/* Adds many at once, without order; existing ones are replaced. Takes over the objects, not the array. */
void store_load(const struct resource *r, struct object **objects, size_t n);

/* Objects at one moment, by key; shared by reference, listing_free() gives one back. */
struct listing {
        atomic_uint refs;
        struct object **objects;
        size_t count;
        uint64_t rv;
};
struct query {
        const char *ns;                         /* NULL: all */
        const char *name;                       /* NULL: all */
        const struct selector *labels, *fields; /* NULL: all */
};
bool query_matches(const struct query *q, const struct object *o);
struct listing *listing_new(const struct resource *r, const struct query *q);
void listing_free(struct listing *l);
AUTO_DEFINE(listing)

/* Lists that are read in pages: the store keeps a reference for the id, until many others were kept. */
uint64_t listing_keep(struct listing *l);
/* A new reference; NULL when it is forgotten. */
struct listing *listing_find(uint64_t id);

/* ---- changes ---- */

enum change { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED };
struct event {
        enum change change;
        uint64_t rv;
        const struct collection *collection;
        struct object *object; /* a reference */
        struct object *before; /* a reference, for MODIFIED */
};
void event_done(struct event *e);

/*
 * The next changes of r's objects after rv, at most max, waiting until there is one, the deadline (CLOCK_MONOTONIC
 * nanoseconds) passes or store_wake() is called. Returns how many; -1 when rv is too old. *seen moves on.
 */
int store_wait(const struct resource *r, uint64_t *seen, struct event *events, int max, int64_t deadline);
/* Whether changes after rv are still known. */
bool store_remembers(uint64_t rv);
void store_wake(void);
/* As after a restart from a backup: nothing is remembered, and the next revision is `jump` later. */
void store_forget(uint64_t jump);
