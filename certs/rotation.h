/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rotation - the stored certificates as bytes, and the steps of the plan carried out on them.
 *
 * Nothing here knows where they are stored: somebody fills the objects (files, Secrets), and is told after each step
 * which one to write back. One step changes one object, so a writer that dies leaves a state that the plan knows.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "certs/plan.h"

/* What the rotation keeps; by these the writer chooses where. */
enum rotation_kind { ROTATION_AUTHORITY, ROTATION_LEAF, ROTATION_HOOK };

enum rotation_field {
        ROTATION_BUNDLE, /* all kinds: the CAs to trust */
        ROTATION_CRT,    /* leaf */
        ROTATION_KEY,    /* leaf, authority */
        ROTATION_NEXT,   /* authority: the key of the CA that waits */
        ROTATION_SETTLED /* authority: since when all is published */
};
enum { ROTATION_FIELDS = ROTATION_SETTLED + 1, ROTATION_FIELD_MAX = 1024 * 1024 };

struct rotation_object {
        enum rotation_kind kind;
        const char *name; /* of the Secret, or of the webhook configuration */
        const char *type; /* hook: the API's resource; else NULL */
        bool stored;
        char foreign[128];                   /* who keeps it instead of us, for people: then it is not touched; "" */
        struct buf *fields[ROTATION_FIELDS]; /* NULL where absent; keys wipe themselves */
        char done[160];                      /* what was done to it, for people; "" when nothing */
};

/* What a leaf is to look like. Strings are copied. */
struct rotation_leaf {
        const char *secret;
        const char *common_name;
        const char *const *names;
        size_t name_count;
        const char *const *ips;
        size_t ip_count;
        bool server, client;
};

struct rotation;

/* hooks: resource and name of each webhook configuration, or none. */
struct rotation_hook {
        const char *resource, *name;
};
struct rotation *rotation_new(const char *authority, const struct rotation_leaf *leaves, size_t leaf_count,
                              const struct rotation_hook *hooks, size_t hook_count) __attribute__((returns_nonnull));
void rotation_free(struct rotation *r);
AUTO_DEFINE(rotation)

/* The authority first, then the leaves, then the hooks. */
struct rotation_object *rotation_objects(struct rotation *r, size_t *count);
/* Copies n bytes into a field; p NULL makes it absent. For whoever reads the objects from where they are stored. */
void rotation_set(struct rotation_object *o, enum rotation_field field, const char *p, size_t n);
/* Says that somebody else keeps the object, in words for people: it is not touched. Until rotation_clear(). */
void rotation_own(struct rotation_object *o, const char *who);
/* Forgets all content, to be read again; what was done stays said. */
void rotation_clear(struct rotation *r);

/* Writes an object back; false with an error when it could not, e.g. because another writer was faster. */
typedef bool rotation_write_fn(struct rotation_object *o, void *arg, struct err *e);

/*
 * Takes steps until there is nothing to do before *when. write may be NULL: then everything happens in memory only.
 * The first failure ends it; what was written until then is a state to go on from.
 */
bool rotation_run(struct rotation *r, struct plan_wishes *wishes, int64_t now, rotation_write_fn *write, void *arg,
                  int64_t *when, struct err *e);

/* A line about each object as it is at `now`: what was done, until when it is good, or whose it is. */
void rotation_describe(const struct rotation *r, int64_t now, struct buf *out);
