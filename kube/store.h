/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the objects of the cluster as last seen, what they are found by, and who has read them.
 *
 * The loop thread alone changes a store, and holds the write lock of whoever shares it while it does; any thread that
 * holds the read lock may look. What view_get() and view_list() lend is valid until the store changes.
 *
 * Beside its own key an object is found by terms: a root by the fqdn it asks for, a delegator by the object that it
 * delegates to. A compile records the keys and terms that it read, also those that lead nowhere, as the reads of a
 * reader (one a compiled host or judged object); a change of one of them reports that reader as dirty.
 */
#pragma once

#include "kube/object.h"

struct store;

struct store *store_new(void) __attribute__((returns_nonnull));
/* Every reader must have been set to NULL before. */
void store_free(struct store *s);
AUTO_DEFINE(store)

/* ---- readers ---- */

struct store_link; /* private */

/* Embedded in what is computed from the store; zero it before first use. */
struct store_reader {
        struct store_link *links;
        uint32_t link_count;
        bool dirty; /* private: on its way to on_dirty */
};

/*
 * Called for every reader of what changed: at most once a reader and change, in no order that means anything, when the
 * store already holds the change. It must change neither the store nor any reader: it puts its owner on a list.
 */
typedef void store_dirty_fn(struct store_reader *reader, void *arg);

/* ---- changes (loop thread, write lock) ---- */

/*
 * Puts o (which the store takes) in the place of the object with its kind, namespace and name. source tells lists of
 * one kind apart (0 where there is only one, at most STORE_SOURCES); see store_sweep_end(). An object with the uid and
 * resourceVersion that are stored already changes nothing. Returns whether something changed. on_change is called when
 * the store holds the change and before the old object is freed: old is NULL for a new object, new for a removed one.
 * Hooks, and each of them, may be NULL.
 */
enum { STORE_SOURCES = 4 };
typedef void store_change_fn(const struct object *old, const struct object *new, void *arg);
/*
 * Asked before an object goes. True: it lingers, that is it stays as if nothing had happened, until store_expire() ends
 * that or the object is put again.
 */
typedef bool store_linger_fn(const struct object *o, void *arg);
struct store_hooks {
        store_dirty_fn *on_dirty;
        store_change_fn *on_change;
        void *arg;
        store_linger_fn *lingers;
};
bool store_put(struct store *s, struct object *o, unsigned source, const struct store_hooks *hooks);
/* Returns whether it was there and did not linger already. An object that another source has put meanwhile stays:
 * watches come in no order. */
bool store_remove(struct store *s, enum kind kind, const char *namespace, const char *name, unsigned source,
                  const struct store_hooks *hooks);

/* Removes the object if it lingers. */
void store_expire(struct store *s, enum kind kind, const char *namespace, const char *name,
                  const struct store_hooks *hooks);

/*
 * A relist: between store_sweep_begin() and store_sweep_end() every object of that kind and source that is put is
 * seen; the end removes those that were not, at most max of them at a time: false when there are more to remove, then
 * it is called again before that source changes. Sweeps of several sources may overlap. An abandoned sweep is begun
 * again.
 */
void store_sweep_begin(struct store *s, enum kind kind, unsigned source);
bool store_sweep_end(struct store *s, enum kind kind, unsigned source, size_t max, const struct store_hooks *hooks);

/* ---- looking ---- */

/* What was read by a compile: filled through a view, given to store_reader_set() before the store changes again. */
struct reads;
struct reads *reads_new(void) __attribute__((returns_nonnull));
void reads_free(struct reads *r);
AUTO_DEFINE(reads)
/* Forgets all, keeps the memory. */
void reads_clear(struct reads *r);

/* The store as it is, or as it would be with candidate in it (or, when gone, without the object of its key). */
struct view {
        const struct store *store;
        const struct object *candidate; /* NULL: the store as it is */
        bool candidate_gone;            /* candidate names what is to be deleted */
        struct reads *reads;            /* NULL: not recorded. Recording is for the loop thread */
};

/* The object, or NULL. namespace is "" for kinds without. */
const struct object *view_get(const struct view *v, enum kind kind, const char *namespace, const char *name);

/*
 * Of a Secret whose pair of certificate and key is not good, the last object whose pair was, or NULL. The store keeps
 * it from the moment when a Secret that has readers turns bad, until it is good again, is gone, or has no reader.
 */
const struct object *view_last_good(const struct view *v, const char *namespace, const char *name);

/* What an object is found by, beside its key. The name's form is given in parentheses. */
enum term {
        TERM_FQDN,      /* roots and Ingresses that ask for a host ("foo.example.com"; "*" for Ingress without host) */
        TERM_DELEGATOR, /* IngressRoutes that delegate to one ("namespace/name") */
        TERM_GRANTS,    /* TLSCertificateDelegations that name a Secret ("namespace/name") */
        TERM_DEFAULT_CLASS, /* IngressClasses that are the default ("") */
        TERM_ENDPOINTS,     /* EndpointSlices or Endpoints of a Service ("namespace/name") */
};

/* The objects found by a term, ordered by kind, then namespace, then name; the array is in a. */
size_t view_list(const struct view *v, struct arena *a, enum term term, const char *name,
                 const struct object *const **out);
/* The same without recording that it was read: for what dirties its reader anyway. */
size_t view_list_unread(const struct view *v, struct arena *a, enum term term, const char *name,
                        const struct object *const **out);

/*
 * Calls each() with every term of o, with some perhaps more than once: used for the index, and to know which hosts an
 * object names itself. The name is valid during the call.
 */
void object_terms(const struct object *o, void (*each)(enum term term, const char *name, void *arg), void *arg);

/* Replaces what reader depends on by what r holds (loop thread, write lock). NULL: nothing any more. */
void store_reader_set(struct store *s, struct store_reader *reader, const struct reads *r);

/* Calls each() for the readers of the object's key, also of one that is not there. */
void store_readers(const struct store *s, enum kind kind, const char *namespace, const char *name, store_dirty_fn *each,
                   void *arg);

/* Calls each() for every stored object of a kind, in order of arrival (a relist counts as arriving again). */
void store_each(const struct store *s, enum kind kind, void (*each)(const struct object *o, void *arg), void *arg);
size_t store_count(const struct store *s, enum kind kind);
/* Grows with every change: equal numbers mean an equal store. */
uint64_t store_generation(const struct store *s);
