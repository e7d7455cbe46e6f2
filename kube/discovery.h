/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery - which versions of a resource the API server offers.
 *
 * Asks for the resource lists of the candidate group versions, best first, and tells the first one that has the
 * resource. A server that answers and does not have it is asked again later by the caller: CRDs come and go.
 */
#pragma once

#include "kube/client.h"

struct discovery_candidate {
        const char *group_version; /* "networking.k8s.io/v1"; "v1" for core */
        const char *resource;      /* "ingresses" */
};

struct discovery_result {
        bool answered;   /* false: the server could not be asked, see error */
        int found;       /* index of the candidate, -1: none is offered */
        bool has_status; /* the found resource has a status subresource */
        struct err error;
};

struct discovery; /* one question under way */

typedef void discovery_done_fn(const struct discovery_result *result, void *arg);

/* candidates are borrowed until done is called, from the loop, once. */
struct discovery *discovery_ask(struct client *client, const struct discovery_candidate *candidates, size_t n,
                                discovery_done_fn *done, void *arg) __attribute__((returns_nonnull));
/* done will not be called any more. Not after it was. NULL is fine. */
void discovery_cancel(struct discovery *d);

/* "/apis/networking.k8s.io/v1/ingresses", "/api/v1/services"; for mem_free(). */
char *discovery_path(const struct discovery_candidate *c) __attribute__((returns_nonnull));
