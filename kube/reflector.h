/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reflector - keeps somebody informed of all objects of one resource: list, then watch, for ever.
 *
 * Only what a successful list leaves out, or a DELETED event names, is gone: a 403, a 404 or a dead server removes
 * nothing. A watch that ends goes on from its last resourceVersion; 410 Gone lists anew while what was told stays
 * valid. One object that cannot be read is told as such and stops nothing. Source: Kubernetes, "API concepts", sections
 * "Efficient detection of changes" and "Retrieving large results sets in chunks".
 */
#pragma once

#include "kube/client.h"

#include <jansson.h>

enum {
        REFLECTOR_PAGE = 500,
        REFLECTOR_LINE_MAX = 8 * 1024 * 1024, /* one event: an object has at most 1.5 MiB in etcd, JSON escapes some */
};

struct reflector;

/* All run on the loop thread, some within the client's bytes callback: they must neither start nor end calls. */
struct reflector_events {
        /* A list begins; each object comes by on_object; what has not come until on_list_end is gone. A list that fails
         * has no end: the next one begins anew. */
        void (*on_list_begin)(void *arg);
        void (*on_list_end)(void *arg);
        /*
         * Added, modified, or listed. object is borrowed, and json_incref() does not keep it: it and all that jansson
         * allocates during the call are the thread's arena's (base/json_arena.h). The same goes for on_delete.
         */
        void (*on_object)(json_t *object, void *arg);
        void (*on_delete)(json_t *object, void *arg);
        /* One object could not be read: "namespace/name", or "" when not even that; never its content. */
        void (*on_bad_object)(const char *name, const char *why, void *arg);
        /* The server has said something: what is known is at least as new as now. */
        void (*on_progress)(void *arg);
        /*
         * A watch or list did not go on as planned; reason is a literal: "gone" (a new list begins), "closed" (the
         * watch broke off), "error" (why->code has the HTTP status, if any), "large" (a list goes on in smaller pages).
         */
        void (*on_restart)(const char *reason, const struct err *why, void *arg);
};

struct reflector_source {
        const char *path;           /* "/apis/contour.heptio.com/v1beta1/ingressroutes" */
        const char *resource;       /* "ingressroutes", for metrics */
        const char *field_selector; /* NULL: none */
};

/* Begins to list at once. client, and the strings of source, are borrowed until reflector_free(). */
struct reflector *reflector_new(struct event_base *base, struct client *client, const struct reflector_source *source,
                                const struct reflector_events *events, void *arg) __attribute__((returns_nonnull));
void reflector_free(struct reflector *r);
AUTO_DEFINE(reflector)
