/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache - what Envoys are to be told: the named resources of each type, and who watches which name.
 *
 * Changes are staged and become visible all together by cache_commit(); setting a resource to what it already is
 * changes nothing. A change costs O(watchers of that name). A name outlives its resource while somebody watches it:
 * the watcher of a name that does not exist hears of it when it comes. Until cache_open() nothing may be sent.
 */
#pragma once

#include "xds/resource.h"

struct cache;
struct cache_watch;

/* One name of one type. Everything in it is for reading only. */
struct cache_name {
        const struct resource *resource; /* NULL: there is none of that name */
        const struct resource *last;     /* what was removed, while cache_linger() keeps it and in changed() */
        struct cache_name *endpoints;    /* of a cluster: the name of its endpoints, or NULL */
        uint64_t mark;                   /* cache_mark() of the resource, 0 without */
        enum resource_type type;
        bool tracked; /* by cache_track() */
        const char *text;
};

/* Who watches: embedded in its owner, zeroed before first use. */
struct cache_watcher {
        /*
         * The name has changed; watch is NULL for a wildcard that has no watch on it yet. May drop that watch and add
         * others, and may not touch the watches of other watchers.
         */
        void (*changed)(struct cache_watcher *w, struct cache_name *name, struct cache_watch *watch);
        struct cache_watcher *next, *prev; /* private */
};

/* One watcher's interest in one name: embedded in its owner. */
struct cache_watch {
        struct cache_name *name;
        struct cache_watcher *watcher;
        struct cache_watch *next, *prev; /* private */
};

/* Who is to be looked at after a change: embedded in its owner, zeroed before first use. */
struct cache_reader {
        struct cache_reader *next, *prev;             /* private: all */
        struct cache_reader *ready_next, *ready_prev; /* private: those that wait to be looked at */
        bool ready;
};

struct cache *cache_new(void) __attribute__((returns_nonnull));
/* All watches and readers are gone before. */
void cache_free(struct cache *c);
AUTO_DEFINE(cache)

/* ---- changes ---- */

/*
 * Stages a resource; the cache takes a reference of its own. endpoints is the name of a cluster's
 * ClusterLoadAssignment, NULL for a cluster without one and for all other types.
 */
void cache_set(struct cache *c, const struct resource *r, const char *endpoints);
/* Stages its removal; an absent one is fine. */
void cache_remove(struct cache *c, enum resource_type type, const char *name);
/* Makes what is staged visible and tells the watchers; the number of resources that really changed. */
size_t cache_commit(struct cache *c, int64_t now);
/* The first build is done (and committed): streams may be answered from now on. */
void cache_open(struct cache *c, int64_t now);
bool cache_is_open(const struct cache *c);
/* When it was opened. */
int64_t cache_opened(const struct cache *c);
/* The time of the last cache_commit() or cache_open(). */
int64_t cache_now(const struct cache *c);
/* Streams tell what happened to this resource at each client: one that is shared by many hosts (xds/holdout). */
void cache_track(struct cache *c, enum resource_type type, const char *name);

/* ---- reading ---- */

/* What is visible under that name, or NULL; borrowed until the next commit. */
const struct resource *cache_find(const struct cache *c, enum resource_type type, const char *name);
/* All that exist of a type, by strcmp() order of names; borrowed until the next commit. */
struct cache_name *const *cache_list(struct cache *c, enum resource_type type, size_t *n);
size_t cache_count(const struct cache *c, enum resource_type type);

/* Never 0; tells versions apart. */
uint64_t cache_mark(const char *version);

/* A set of named versions, whatever the order in which they came and went; zeroed: empty. */
struct cache_sum {
        uint64_t low, high;
};
void cache_sum_add(struct cache_sum *sum, const char *name, uint64_t mark);
void cache_sum_remove(struct cache_sum *sum, const char *name, uint64_t mark);
void cache_sum_text(const struct cache_sum *sum, char text[RESOURCE_VERSION_LENGTH + 1]);
/* The version of a whole type: a sum over what is visible. */
void cache_version(const struct cache *c, enum resource_type type, char text[RESOURCE_VERSION_LENGTH + 1]);

/* ---- watching ---- */

/* The name, or NULL when nobody has anything to do with it. */
struct cache_name *cache_name_find(const struct cache *c, enum resource_type type, const char *name);
/* The name, made when it is not known: give it a watch before the next call, or it stays until the end. */
struct cache_name *cache_name_get(struct cache *c, enum resource_type type, const char *name)
        __attribute__((returns_nonnull));
void cache_watch_add(struct cache_watch *watch, struct cache_watcher *w, struct cache_name *name);
/* The name is freed with its last watch unless it exists. */
void cache_watch_remove(struct cache *c, struct cache_watch *watch);
/* Tells w also of names of that type that come into existence, which it has no watch on. */
void cache_wildcard_add(struct cache *c, enum resource_type type, struct cache_watcher *w);
void cache_wildcard_remove(struct cache *c, enum resource_type type, struct cache_watcher *w);
/* Keeps name->last (only in changed(), each paired with one cache_unlinger()). */
void cache_linger(struct cache_name *name);
void cache_unlinger(struct cache_name *name);

void cache_reader_add(struct cache *c, struct cache_reader *r);
void cache_reader_remove(struct cache *c, struct cache_reader *r);
/* Puts r in the queue of those to look at, at most once. */
void cache_reader_wake(struct cache *c, struct cache_reader *r);
/* The next one, taken out of the queue; NULL: none. */
struct cache_reader *cache_reader_take(struct cache *c);
