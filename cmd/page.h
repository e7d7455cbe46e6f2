/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page - the page for people on the debug port's `/`: what the server knows, as HTML.
 *
 * Pure: a picture of the state in, bytes out. No script, nothing from elsewhere, light or dark as the reader has it.
 * All strings may come from users; they are escaped here and nowhere else.
 */
#pragma once

#include "base/arena.h"
#include "cmd/health.h"
#include "dag/tree.h"

enum {
        PAGE_HOSTS = 50,     /* on one page */
        PAGE_FINDINGS = 100, /* shown; the search narrows them down */
        PAGE_CLIENTS = 50,
        PAGE_QUERY_MAX = 256, /* bytes of the search */
};

struct page_part {
        const char *name, *text;
        enum health_state state;
};

struct page_certificate {
        const char *name;
        int64_t not_after;   /* microseconds since 1970 */
        const char *problem; /* "" when there is none */
};

struct page_client_type {
        const char *type, *sent, *accepted;
        const char *refused; /* the last NACK's message, or NULL */
        int64_t refused_at;  /* microseconds since 1970 */
};

/* An Envoy's stream. */
struct page_client {
        const char *node, *peer, *service;
        int64_t since; /* microseconds since 1970 */
        const struct page_client_type *types;
        size_t type_count;
};

struct page_host {
        const struct host *host;
        struct tree tree;
        int64_t certificate_not_after; /* of its TLS secret; 0: none */
        bool suffers;                  /* one of its objects is invalid, or nobody owns the name */
};

struct page_finding {
        const struct finding *finding;
        enum rule_status status; /* what it does to the object */
};

struct page {
        const char *version;
        int64_t now;                   /* microseconds since 1970 */
        bool ready, leading;           /* leading: this replica writes status */
        const struct page_part *parts; /* what /readyz says */
        size_t part_count;
        const struct page_certificate *certificates;
        size_t certificate_count;
        const struct page_client *clients; /* the first PAGE_CLIENTS */
        size_t client_count, client_total;
        bool serves_xds;

        const char *query;                   /* "" for all */
        const struct page_finding *findings; /* the first PAGE_FINDINGS that match */
        size_t finding_count, finding_total;
        const struct page_host *hosts; /* those on this page */
        size_t host_count, host_matches, host_total;
        size_t number, page_count; /* this page, from 1 on; there is at least one */
};

void page_render(struct buf *out, const struct page *p);

/* Whether the query's words all stand (whatever their case) in something that the host or finding says. */
bool page_host_matches(const struct host *h, const char *query);
bool page_finding_matches(const struct finding *f, const char *query);
